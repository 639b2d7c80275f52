/** Renders a flow's output ahead of the widget: after a reload, and while the kernel is busy. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';

import type { Doors } from './doors';
import { RunView } from './run-view';
import type { Snapshot } from '../schema';

const MIME = 'application/vnd.orch-nb.run+json';

export function addRenderer(rendermime: IRenderMimeRegistry, doors: Doors): void {
  rendermime.addFactory(
    { safe: true, mimeTypes: [MIME], createRenderer: () => new MimeView(doors) },
    0,
  );
}

/** A renderer that learns from its data which run to show. */
class MimeView extends Widget implements IRenderMime.IRenderer {
  private shown = '';
  private view: RunView | null = null;

  constructor(private readonly ways: Doors) {
    super();
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[MIME] as unknown as { id: string; snapshot?: Snapshot };
    if (data.id === this.shown) return Promise.resolve();
    this.shown = data.id;
    this.view?.dispose();
    this.view = new RunView(data.id, this.ways, data.snapshot);
    this.node.replaceChildren(this.view.node);
    return Promise.resolve();
  }

  override dispose(): void {
    this.view?.dispose();
    super.dispose();
  }
}
