/** Where the dots of a rail stand: a lane for each branch of the graph, in document order. */

export interface RailEdge {
  readonly source: number;
  readonly target: number;
}

/**
 * The lane of each cell, by its number. A lane is busy until the last cell that reads from the
 * cell in it; a cell takes the lane of a source that it is the last reader of, else the first one
 * that is free; beyond `most` they share the last.
 */
export function findLanes(
  cells: readonly number[],
  edges: readonly RailEdge[],
  most: number,
): ReadonlyMap<number, number> {
  const last = new Map<number, number>();
  const sources = new Map<number, number[]>();
  for (const { source, target } of edges) {
    last.set(source, Math.max(last.get(source) ?? source, target));
    sources.set(target, [...(sources.get(target) ?? []), source]);
  }
  const lanes = new Map<number, number>();
  const busy: number[] = []; // until which cell
  for (const cell of cells) {
    const freed = (sources.get(cell) ?? [])
      .filter((source) => last.get(source) === cell)
      .map((source) => lanes.get(source) ?? 0);
    let lane = freed.length > 0 ? Math.min(...freed) : busy.findIndex((until) => until < cell);
    if (lane < 0) lane = busy.length;
    lane = Math.min(lane, most - 1);
    lanes.set(cell, lane);
    busy[lane] = Math.max(last.get(cell) ?? cell, lane === most - 1 ? (busy[lane] ?? 0) : 0);
  }
  return lanes;
}
