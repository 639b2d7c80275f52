/**
 * What Python sends to a view and is asked by it; orch_nb/app/view_schema.py says what each field
 * means, and a test holds the two together. Texts are plain but not escaped: show them as text.
 */

export interface ParameterWords {
  name: string;
  value: string;
  source: string;
}

export interface RunHeader {
  id: string;
  name: string;
  flow: string;
  notebook: string;
  state: string;
  message: string;
  parameters: ParameterWords[];
  runner: string;
  workers: number;
  cells: number;
  tasks: number;
  began: number | null;
  seconds: number | null;
  expected: number | null;
  output: string;
  files: string[];
  notices: string[];
  actions: Record<string, string>;
}

export interface ErrorWords {
  name: string;
  value: string;
  line: number | null;
}

export interface Row {
  cell: number;
  name: string;
  state: string;
  kind?: string;
  task?: boolean;
  item?: number;
  calls?: number[];
  group?: boolean;
  pace?: string;
  message?: string;
  attempt?: number;
  of?: number;
  start?: number;
  end?: number | null;
  tries?: [number, number][];
  expected?: number;
  percent?: number | null;
  progress?: string;
  memory?: number;
  where?: string;
  error?: ErrorWords | null;
  waits?: [string, number][];
}

export interface GraphNode {
  cell: number;
  row: number;
  x: number;
  rank: number;
  name: string;
  makes: string;
}

export interface GraphEdge {
  source: number;
  target: number;
  why: string[];
}

export interface GraphPicture {
  nodes: GraphNode[];
  edges: GraphEdge[];
  missing?: string;
}

export interface LogLine {
  time: number;
  level: string;
  task: string;
  text: string;
}

export interface Snapshot {
  type: 'snapshot';
  seq: number;
  now: number | null;
  run: RunHeader;
  rows: Row[];
  graph: GraphPicture;
  logs: LogLine[];
  first_log: number;
}

/** A row's index and its new fields; a field that is null has gone. */
export type RowChange = [number, { [field in keyof Row]?: Row[field] | null }];

export interface Delta {
  type: 'delta';
  seq: number;
  now: number | null;
  rows?: RowChange[];
  run?: Partial<RunHeader>;
  logs?: LogLine[];
}

export interface OutputWords {
  kind: string;
  text: string;
}

export interface Value {
  name: string;
  cell: number;
  note: string;
}

export interface Detail {
  row: number;
  source: string;
  traceback: string;
  outputs: OutputWords[];
  inputs: Value[];
  values: Value[];
  why: string[];
}

export interface Ask {
  type: 'ask';
  number: number;
  action: string;
  row?: number;
}

export interface Answer {
  type: 'answer';
  number: number;
  ok: boolean;
  text: string;
  link?: string;
  detail?: Detail;
  snapshot?: Snapshot;
}

export type Message = Snapshot | Delta | Answer;
