/** Renders a flow's output ahead of the widget: after a reload, and while the kernel is busy. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { PanelLayout, Widget } from '@lumino/widgets';

import type { Doors } from './doors';
import { RunView } from './run-view';
import type { Snapshot } from '../schema';

export const RUN_MIME = 'application/vnd.orch-nb.run+json';
const WIDGET_MIME = 'application/vnd.jupyter.widget-view+json';
const RANK = -50; // ahead of widgets, which have -10

export function addRenderer(rendermime: IRenderMimeRegistry, doors: Doors): void {
  rendermime.addFactory(
    { safe: true, mimeTypes: [RUN_MIME], createRenderer: () => new MimeView(doors) },
    RANK,
  );
}

/** A renderer that learns from its data which run to show. */
class MimeView extends Widget implements IRenderMime.IRenderer {
  private view: RunView | null = null;
  private widget: Widget | null = null;
  private readonly inside = new PanelLayout();

  constructor(private readonly ways: Doors) {
    super();
    this.layout = this.inside;
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const { id, snapshot } = model.data[RUN_MIME] as unknown as { id: string; snapshot?: Snapshot };
    if (this.view?.called === id) {
      if (snapshot) this.view.keep(snapshot);
      return Promise.resolve();
    }
    this.view?.dispose();
    const around = () => this.ways.flows.holding(this.node);
    const lost = (is: boolean) => (is ? this.showWidget(model) : this.dropWidget());
    this.view = new RunView(id, this.ways, { snapshot, around, lost });
    this.inside.addWidget(this.view);
    return Promise.resolve();
  }

  /** A run that this server does not know, of a kernel elsewhere: only its widget follows it. */
  private showWidget(model: IRenderMime.IMimeModel): boolean {
    if (this.widget !== null) return true;
    const registry = this.ways.flows.holding(this.node)?.content.rendermime;
    if (!(WIDGET_MIME in model.data) || registry?.getFactory(WIDGET_MIME) === undefined)
      return false;
    const widget = registry.createRenderer(WIDGET_MIME);
    this.widget = widget;
    this.inside.addWidget(widget);
    void widget.renderModel(model);
    return true;
  }

  private dropWidget(): boolean {
    this.widget?.dispose();
    this.widget = null;
    return false;
  }
}
