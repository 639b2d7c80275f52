/** The commands, and where they are found: palette, launcher, and the schema's menus and toolbars. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification, type ICommandPalette, type MainAreaWidget } from '@jupyterlab/apputils';
import type { ILauncher } from '@jupyterlab/launcher';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { editIcon, runIcon, type LabIcon } from '@jupyterlab/ui-components';
import type { WidgetTracker } from '@jupyterlab/apputils';

import { wordsOf } from './api';
import type { Doors, RunWish } from './doors';
import { graphDocument, graphId } from './graph-document';
import { gridDocument, gridId } from './grid';
import { linkTo } from './links';
import { documentId, runDocument, type RunDocument } from './run-document';
import { scheduleNotebook } from './scheduling';
import type { SidePanel, SideTab } from './side';
import { runAsFlow } from './starting';
import { tagCell } from './tagging';

const LONG = 15_000; // milliseconds that an error is to be seen

export interface Opened {
  readonly runs: WidgetTracker<RunDocument>;
  readonly graphs: WidgetTracker;
  readonly grids: WidgetTracker;
}

export interface Places {
  readonly app: JupyterFrontEnd;
  readonly tracker: INotebookTracker;
  readonly doors: Doors;
  readonly opened: Opened;
  readonly side: SidePanel;
}

export function addCommands({ app, tracker, doors, opened, side }: Places): void {
  const { trans } = doors;
  const { commands, shell } = app;

  function onNotebook(
    id: string,
    label: string,
    caption: string,
    work: (panel: NotebookPanel, args: ReadonlyPartialJSONObject) => unknown,
    icon?: LabIcon,
  ): void {
    commands.addCommand(`orch-nb:${id}`, {
      label,
      caption,
      ...(icon ? { icon } : {}),
      isEnabled: () => tracker.currentWidget !== null,
      execute: async (args) => {
        try {
          if (tracker.currentWidget !== null) await work(tracker.currentWidget, args);
        } catch (error) {
          Notification.error(wordsOf(error), { autoClose: LONG });
        }
      },
    });
  }

  onNotebook(
    'tag-cell',
    trans.__('Tag Cell as Task…'),
    trans.__('Make this cell a task of the flow'),
    (panel, args) => {
      if (args.pointed === true) activatePointed(app, panel);
      return tagCell(panel, doors);
    },
    editIcon,
  );
  onNotebook(
    'run-flow',
    trans.__('Run as Flow…'),
    trans.__('Run this notebook as a flow'),
    (panel) => runAsFlow(panel, doors),
  );
  onNotebook(
    'schedule',
    trans.__('Schedule…'),
    trans.__('Run this notebook at set times'),
    (panel) => scheduleNotebook(panel, doors),
  );
  onNotebook(
    'show-graph',
    trans.__('Show the Graph'),
    trans.__('The graph of this notebook, in full'),
    (panel) => {
      doors.openGraph(panel.context.localPath);
    },
  );
  onNotebook(
    'show-grid',
    trans.__('Show Runs × Tasks'),
    trans.__('The runs of this notebook against its tasks'),
    (panel) => {
      doors.openGrid({ path: panel.context.localPath });
    },
  );

  function reveal<W extends MainAreaWidget>(
    known: WidgetTracker<W>,
    id: string,
    build: () => W,
  ): W {
    const found = known.find((one) => one.id === id) ?? build();
    if (!known.has(found)) {
      void known.add(found);
      shell.add(found, 'main', { mode: 'tab-after' });
    }
    shell.activateById(id);
    return found;
  }

  commands.addCommand('orch-nb:open-run', {
    label: trans.__('Open Run'),
    execute: (args) => {
      const run = args.run as string;
      const row = typeof args.row === 'number' ? args.row : -1;
      const build = () => runDocument(run, doors);
      const widget = reveal(opened.runs, documentId(run), build);
      if (row >= 0) widget.content.view.openRow(row);
      // Notebook 7 has one document in a page
      if (!widget.isAttached) window.open(linkTo(run), '_blank');
    },
  });
  commands.addCommand('orch-nb:open-graph', {
    label: trans.__('Open Graph'),
    execute: async (args) => {
      const path = args.path as string;
      await (
        await doors.openNotebook(path)
      )?.context.ready;
      reveal(opened.graphs as WidgetTracker<MainAreaWidget>, graphId(path), () =>
        graphDocument(path, doors),
      );
    },
  });
  commands.addCommand('orch-nb:open-grid', {
    label: trans.__('Open Runs × Tasks'),
    execute: (args) => {
      const wish = args as RunWish;
      reveal(opened.grids as WidgetTracker<MainAreaWidget>, gridId(wish), () =>
        gridDocument(wish, doors),
      );
    },
  });
  commands.addCommand('orch-nb:show', {
    label: (args) => (args.isLauncher ? trans.__('Flows') : trans.__('Flows and Schedules')),
    caption: trans.__('Flows, runs and schedules of notebooks'),
    icon: runIcon,
    execute: (args) => {
      shell.activateById(side.id);
      if (typeof args.tab === 'string') side.choose(args.tab as SideTab);
    },
  });
}

/** Lab's context menu does not make the cell active in whose text it was opened. */
function activatePointed(app: JupyterFrontEnd, panel: NotebookPanel): void {
  const node = app.contextMenuHitTest((one) => one.classList.contains('jp-Cell'));
  const place = panel.content.widgets.findIndex((cell) => cell.node === node);
  if (place >= 0) panel.content.activeCellIndex = place;
}

export function addToPlaces(
  { doors: { trans } }: Places,
  palette: ICommandPalette | null,
  launcher: ILauncher | null,
): void {
  const category = trans.__('Flows');
  for (const id of ['tag-cell', 'run-flow', 'schedule', 'show-graph', 'show-grid', 'show'])
    palette?.addItem({ command: `orch-nb:${id}`, category });
  launcher?.add({
    command: 'orch-nb:show',
    category: trans.__('Other'),
    args: { isLauncher: true },
  });
}
