/** The JupyterLab extension: commands, toolbars, the side panel, and runs as documents. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin,
} from '@jupyterlab/application';
import {
  ICommandPalette,
  Notification,
  WidgetTracker,
  type MainAreaWidget,
} from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { editIcon, runIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';

import { Stream, type Snapshot } from './api';
import { addStyle } from './dom';
import { PromptMarks } from './prompts';
import { RunView, runDocument, type Doors } from './run-view';
import { scheduleNotebook } from './scheduling';
import { SidePanel } from './side';
import { runAsFlow } from './starting';
import { tagCell } from './tagging';

const ID = 'orch-nb:plugin';
const MIME = 'application/vnd.orch-nb.run+json';
const CATEGORY = 'Flows';

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Notebooks as flows: tasks, runs and schedules.',
  autoStart: true,
  requires: [INotebookTracker, IDocumentManager, IRenderMimeRegistry],
  optional: [ISettingRegistry, ITranslator, ICommandPalette, ILauncher, ILayoutRestorer],
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
  ) => {
    const trans = (translator ?? nullTranslator).load('orch_nb');
    const stream = new Stream();
    const opened = new WidgetTracker<MainAreaWidget<RunView>>({ namespace: 'orch-nb-runs' });
    let chosen = { showMarks: true, graphPause: 150 };
    const marks = new Map<NotebookPanel, PromptMarks>();
    addStyle();

    const doors: Doors = {
      stream,
      openRun: (run) => void app.commands.execute('orch-nb:open-run', { run }),
      openFile: (path) => void documents.openOrReveal(path),
      goTo: (path, cell) => {
        const panel = documents.openOrReveal(path) as unknown as NotebookPanel | undefined;
        void panel?.context.ready.then(() => {
          const codes = panel.content.widgets.filter((one) => one.model.type === 'code');
          const found = codes[cell - 1];
          if (found) panel.content.activeCellIndex = panel.content.widgets.indexOf(found);
        });
      },
    };

    const onNotebook = (work: (panel: NotebookPanel) => Promise<unknown>) => async () => {
      const panel = tracker.currentWidget;
      if (panel === null) return;
      try {
        await work(panel);
      } catch (error) {
        Notification.error((error as Error).message);
      }
    };
    const isEnabled = () => tracker.currentWidget !== null;
    app.commands.addCommand('orch-nb:tag-cell', {
      label: trans.__('Tag Cell as Task…'),
      caption: trans.__('Make this cell a task of the flow'),
      icon: editIcon,
      isEnabled,
      execute: onNotebook((panel) => tagCell(panel, trans)),
    });
    app.commands.addCommand('orch-nb:run-flow', {
      label: trans.__('Run as Flow…'),
      caption: trans.__('Run this notebook as a flow'),
      isEnabled,
      execute: onNotebook((panel) => runAsFlow(panel, doors, trans)),
    });
    app.commands.addCommand('orch-nb:schedule', {
      label: trans.__('Schedule…'),
      caption: trans.__('Run this notebook at set times'),
      isEnabled,
      execute: onNotebook((panel) => scheduleNotebook(panel, trans)),
    });
    app.commands.addCommand('orch-nb:open-run', {
      label: trans.__('Open Run'),
      execute: (args) => {
        const run = args.run as string;
        const old = opened.find((one) => one.id === `orch-nb-run-${run}`);
        const widget = old ?? runDocument(run, doors);
        if (!old) {
          void opened.add(widget);
          app.shell.add(widget, 'main');
        }
        app.shell.activateById(widget.id);
      },
    });
    const side = new SidePanel(tracker, doors, trans, () => chosen.graphPause);
    app.shell.add(side, 'left', { rank: 550 });
    app.commands.addCommand('orch-nb:show', {
      label: trans.__('Flows and Schedules'),
      icon: runIcon,
      execute: () => {
        app.shell.activateById(side.id);
      },
    });
    for (const command of ['tag-cell', 'run-flow', 'schedule', 'show'])
      palette?.addItem({ command: `orch-nb:${command}`, category: trans.__(CATEGORY) });
    launcher?.add({ command: 'orch-nb:show', category: trans.__('Other') });
    restorer?.add(side, 'orch-nb-side');
    if (restorer)
      void restorer.restore(opened, {
        command: 'orch-nb:open-run',
        args: (widget) => ({ run: widget.id.replace('orch-nb-run-', '') }),
        name: (widget) => widget.id,
      });

    tracker.widgetAdded.connect((_, panel) => {
      void panel.revealed.then(() => {
        marks.set(panel, new PromptMarks(panel, stream, () => chosen.showMarks));
      });
      panel.disposed.connect(() => marks.delete(panel));
    });
    void settings?.load(ID).then((loaded) => {
      const read = () => {
        chosen = { ...chosen, ...(loaded.composite as Partial<typeof chosen>) };
        for (const one of marks.values()) one.later();
      };
      loaded.changed.connect(read);
      read();
    });

    // ahead of the widget, so that a run is there after a reload and while the kernel is busy
    rendermime.addFactory(
      {
        safe: true,
        mimeTypes: [MIME],
        createRenderer: () => new MimeView(doors),
      },
      0,
    );
  },
};

/** A renderer that learns from its data which run to show. */
class MimeView extends Widget implements IRenderMime.IRenderer {
  private shown = '';

  constructor(private readonly ways: Doors) {
    super();
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[MIME] as unknown as { id: string; snapshot?: Snapshot };
    if (data.id === this.shown) return Promise.resolve();
    this.shown = data.id;
    const view = new RunView(data.id, this.ways, data.snapshot);
    this.node.replaceChildren(view.node);
    this.disposed.connect(() => {
      view.dispose();
    });
    return Promise.resolve();
  }
}

export default plugin;
