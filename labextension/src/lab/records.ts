/** What the REST API gives: see its OpenAPI description for the meaning of each field. */

import type { GraphPicture } from '../schema';

export interface Place {
  line: number;
  column: number;
  end_line: number;
  end_column: number;
}

export interface Fix {
  title: string;
  text: string | null;
  metadata: Record<string, unknown> | null;
}

export interface Problem {
  rule: string;
  severity: 'error' | 'warning' | 'note';
  message: string;
  hint: string;
  where: string;
  cell: number | null;
  cell_id: string | null;
  range: Place | null;
  fixes: Fix[];
}

export interface CellWords {
  number: number;
  id: string;
  position: number;
  name: string;
  task: boolean;
  options: Record<string, unknown>;
  takes: { name: string; cell: number }[];
  gives: { name: string; cells: number[] }[];
  text: string;
}

export interface ParameterRecord {
  name: string;
  type: string | null;
  default: string | null;
  help: string;
}

export interface GraphAnswer {
  cells: { number: number; id: string; name: string; kind: string }[];
  picture: GraphPicture;
  words: CellWords[];
  parameters: ParameterRecord[];
  problems: Problem[];
}

export interface RunRecord {
  id: string;
  name: string;
  flow: string;
  state_type: string;
  state_name: string;
  state_message: string;
  attempt: number;
  scheduled_time: string | null;
  start_time: string | null;
  end_time: string | null;
  tags: string[];
  path: string | null;
  output_path: string | null;
}

export interface DeployedRecord {
  deployment: string;
  version: number;
  origin: string;
  due: string;
}

export interface TaskRecord {
  name: string;
  cell: number;
  cell_id: string;
  state_name: string;
  attempt: number;
  max_attempts: number;
  seconds: number | null;
}

export interface TaskBrief {
  state: string;
  attempt: number;
  of: number;
  seconds: number | null;
  error: string | null;
}

export interface Grid {
  runs: RunRecord[];
  rows: { cell_id: string; name: string; cell: number; runs: Record<string, TaskBrief> }[];
}

export interface Plan {
  cells: {
    cell: number;
    name: string;
    use: string;
    reason: string;
    seconds: number | null;
    task: boolean;
  }[];
  notices: string[];
  reused: number;
  runs: number;
}

export interface Difference {
  aspect: string;
  name: string;
  one: string;
  other: string;
}

export interface DeploymentRecord {
  name: string;
  version: number;
  paused: boolean;
  next_times: string[];
  path: string | null;
  changed: boolean;
  sentences: string[];
}

export interface ScheduleRecord {
  cron?: string;
  every?: number;
  rrule?: string;
  zone: string;
}

/** A deployment with all that its form shows. */
export interface DeploymentDetails extends DeploymentRecord {
  schedules: ScheduleRecord[];
  parameters: [string, unknown, string][];
  policy: { catch_up: string; max_catch_up: number; overlap: string };
  rules: { states: string[]; target: string }[];
}

export interface DaemonRecord {
  runs: boolean;
  own: boolean;
  wish: string;
  active: string[];
  sentence: string;
  hint: string;
}

export interface FieldSchema {
  type: string;
  title: string;
  description?: string;
  enum?: string[];
  minimum?: number;
  pattern?: string;
  default?: unknown;
}

export interface OptionSchema {
  properties: Record<string, FieldSchema>;
}

export interface CellOutputs {
  cell_id: string;
  state: string;
  execution_count: number | null;
  outputs: Record<string, unknown>[];
}
