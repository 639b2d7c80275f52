/** The JupyterLab extension: joins the parts, and keeps what is open over a reload. */

import {
  ILayoutRestorer,
  IRouter,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin,
} from '@jupyterlab/application';
import { ICommandPalette, WidgetTracker } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTools, INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { signal } from '@preact/signals';

import { addCommands, addToPlaces, type Opened, type Places } from './commands';
import { addDataflowBar } from './dataflow-bar';
import type { Doors } from './doors';
import { addStyle } from './dom';
import { Flows } from './flows';
import { TaskTool } from './inspector';
import { translateViews } from './language';
import { linkedRun } from './links';
import { addLiveCells } from './live-cells';
import { addRenderer } from './mime';
import { OutputBringer } from './outputs';
import { addPromptMarks } from './prompts';
import { SidePanel } from './side';
import { Stream } from './stream';
import { addUnderlines } from './underlines';

const ID = 'orch-nb:plugin';
const LATER = 1000; // milliseconds after Lab is there

interface Chosen {
  showMarks: boolean;
  showProblems: boolean;
  showDataflow: boolean;
  graphPause: number;
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Notebooks as flows: tasks, runs and schedules.',
  autoStart: true,
  requires: [INotebookTracker, IDocumentManager, IRenderMimeRegistry],
  optional: [
    ISettingRegistry,
    ITranslator,
    ICommandPalette,
    ILauncher,
    ILayoutRestorer,
    INotebookTools,
    IRouter,
  ],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    documents: IDocumentManager,
    rendermime: IRenderMimeRegistry,
    settings: ISettingRegistry | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    tools: INotebookTools | null,
    router: IRouter | null,
  ) => {
    addStyle();
    const words = (translator ?? nullTranslator).load('orch_nb');
    translateViews(words);
    const marks = signal(true);
    const problems = signal(true);
    const dataflow = signal(true);
    let pause = 100;
    const stream = new Stream();
    const flows = new Flows(tracker, stream, () => pause);
    const doors: Doors = {
      stream,
      flows,
      trans: words,
      outputs: new OutputBringer(stream, (path) => flows.at(path)?.flow.panel),
      openRun: (run, row) =>
        void app.commands.execute('orch-nb:open-run', row === undefined ? { run } : { run, row }),
      openGraph: (path) => void app.commands.execute('orch-nb:open-graph', { path }),
      openGrid: (wish) => void app.commands.execute('orch-nb:open-grid', { ...wish }),
      openFile: (path) => void documents.openOrReveal(path),
      openNotebook: async (path) => {
        const panel = documents.openOrReveal(path) as unknown as NotebookPanel | undefined;
        await panel?.context.ready;
        return panel;
      },
    };
    const opened: Opened = {
      runs: new WidgetTracker({ namespace: 'orch-nb-runs' }),
      graphs: new WidgetTracker({ namespace: 'orch-nb-graphs' }),
      grids: new WidgetTracker({ namespace: 'orch-nb-grids' }),
    };
    const side = new SidePanel(doors);
    app.shell.add(side, 'left', { rank: 550 });
    const places: Places = { app, tracker, doors, opened, side };
    addCommands(places);
    addToPlaces(places, palette, launcher);
    addRenderer(rendermime, doors);
    addLiveCells(doors);
    if (restorer) restore(restorer, places);
    void app.restored.then(() => {
      setTimeout(() => {
        stream.start();
      }, LATER);
    });

    flows.each((open) => {
      void open.flow.panel.revealed.then(() => {
        addPromptMarks(open, doors, marks);
        addDataflowBar(open, doors, dataflow);
        addUnderlines(open, problems);
      });
    });
    if (tools !== null) {
      const label = doors.trans.__('Task of the flow');
      tools.addSection({ sectionName: 'orch-nb', label, rank: 1 });
      tools.addItem({ tool: new TaskTool(doors), section: 'orch-nb' });
    }
    if (router !== null) followLink(router, places);
    void settings?.load(ID).then((loaded) => {
      const read = () => {
        const chosen = loaded.composite as unknown as Chosen;
        marks.value = chosen.showMarks;
        problems.value = chosen.showProblems;
        dataflow.value = chosen.showDataflow;
        pause = chosen.graphPause;
      };
      loaded.changed.connect(read);
      read();
    });
  },
};

/** What was open is open again after a reload. */
function restore(restorer: ILayoutRestorer, { opened, side }: Places): void {
  restorer.add(side, side.id);
  void restorer.restore(opened.runs, {
    command: 'orch-nb:open-run',
    args: (widget) => ({ run: widget.content.view.called }),
    name: (widget) => widget.id,
  });
  void restorer.restore(opened.graphs, {
    command: 'orch-nb:open-graph',
    args: (widget) => ({ path: widget.id.replace('orch-nb-graph-', '') }),
    name: (widget) => widget.id,
  });
  void restorer.restore(opened.grids, {
    command: 'orch-nb:open-grid',
    args: (widget) => wishOf(widget.id),
    name: (widget) => widget.id,
  });
}

function wishOf(id: string): Record<string, string> {
  const [kind, ...rest] = id.replace('orch-nb-grid-', '').split(':');
  const value = rest.join(':');
  return kind === 'path' || kind === 'flow' ? { [kind]: value } : {};
}

/** An address that names a run opens it, when Lab has restored what was open before. */
function followLink(router: IRouter, { app, doors }: Places): void {
  const { path, search } = router.current;
  const run = linkedRun();
  if (run === '') return;
  void app.restored.then(() => {
    router.navigate(`${path}${search ?? ''}`, { skipRouting: true });
    doors.openRun(run);
  });
}

export default plugin;
