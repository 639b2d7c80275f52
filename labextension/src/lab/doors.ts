/** What every part of the extension shares: where things are told, opened and translated. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Flows } from './flows';
import type { OutputBringer } from './outputs';
import type { Stream } from './stream';

export interface RunWish {
  readonly path?: string;
  readonly flow?: string;
}

export interface Doors {
  readonly stream: Stream;
  readonly trans: TranslationBundle;
  readonly flows: Flows;
  readonly outputs: OutputBringer;
  /** Opens a run's document, perhaps at one of its tasks' rows. */
  readonly openRun: (run: string, row?: number) => void;
  readonly openGraph: (path: string) => void;
  readonly openGrid: (wish: RunWish) => void;
  readonly openFile: (path: string) => void;
  /** The notebook, opened if it was not; undefined where it can't be. */
  readonly openNotebook: (path: string) => Promise<NotebookPanel | undefined>;
}
