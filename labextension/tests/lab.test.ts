import assert from 'node:assert/strict';
import test from 'node:test';

import { findLanes, type RailEdge } from '../src/lab/rail-lanes';

const edge = (source: number, target: number): RailEdge => ({ source, target });

test('a chain stays in one lane, and a branch gets its own', () => {
  const chain = findLanes([1, 2, 3], [edge(1, 2), edge(2, 3)], 6);
  assert.deepEqual([...chain.values()], [0, 0, 0]);
  const edges = [edge(1, 2), edge(1, 3), edge(2, 4), edge(3, 4)];
  const diamond = findLanes([1, 2, 3, 4], edges, 6);
  assert.deepEqual(
    [...diamond],
    [
      [1, 0],
      [2, 1],
      [3, 0],
      [4, 0],
    ],
  );
});

test('no cell stands in a lane that another still needs, while there are lanes', () => {
  let seed = 7;
  const chance = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 200; round++) {
    const cells = Array.from({ length: 3 + chance(12) }, (_, place) => place + 1);
    const edges = cells
      .slice(1)
      .flatMap((target) =>
        Array.from({ length: chance(3) }, () => edge(1 + chance(target - 1), target)),
      );
    const lanes = findLanes(cells, edges, 100);
    for (const cell of cells) {
      for (const { source, target } of edges) {
        const passes = source < cell && cell < target;
        assert.ok(!passes || lanes.get(source) !== lanes.get(cell), JSON.stringify(edges));
      }
    }
  }
});

test('beyond the most lanes the last is shared', () => {
  const cells = Array.from({ length: 20 }, (_, place) => place + 1);
  const lanes = findLanes(
    cells,
    cells.slice(0, -1).map((cell) => edge(cell, 20)),
    4,
  );
  assert.equal(Math.max(...lanes.values()), 3);
});
