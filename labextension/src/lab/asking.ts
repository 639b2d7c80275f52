/** A dialog that stays, and says why, when what its button does is refused: nothing typed is lost. */

import { Dialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { wordsOf } from './api';
import { make } from './dom';

export interface Asked {
  readonly title: string;
  readonly node: HTMLElement;
  /** The last one is what Enter presses. */
  readonly buttons: readonly Dialog.IButton[];
  /** The selector of what has the focus at first. */
  readonly focus?: string;
}

/** What the dialog's accepting button has done, by `work`; null when nothing was wanted. */
export async function ask<T>(
  asked: Asked,
  work: (button: Dialog.IButton) => Promise<T>,
): Promise<T | null> {
  const dialog = new AskingDialog(asked, work);
  await dialog.launch();
  return dialog.made;
}

class AskingDialog<T> extends Dialog<unknown> {
  made: T | null = null;
  private busy = false;
  private readonly said = make('p', { class: 'onb-lab-problem', role: 'alert' });

  constructor(
    private readonly asked: Asked,
    private readonly work: (button: Dialog.IButton) => Promise<T>,
  ) {
    super({
      title: asked.title,
      body: new Widget({ node: asked.node }),
      buttons: asked.buttons,
      ...(asked.focus === undefined ? {} : { focusNodeSelector: asked.focus }),
    });
    this.said.hidden = true;
    asked.node.append(this.said);
  }

  override resolve(index = this.asked.buttons.length - 1): void {
    const button = this.asked.buttons[index];
    if (!button?.accept) super.resolve(index);
    else if (!this.busy) void this.attempt(button, index);
  }

  private async attempt(button: Dialog.IButton, index: number): Promise<void> {
    this.busy = true;
    this.said.hidden = true;
    try {
      this.made = await this.work(button);
      super.resolve(index);
    } catch (error) {
      this.said.textContent = wordsOf(error);
      this.said.hidden = false;
      this.said.scrollIntoView({ block: 'nearest' });
    } finally {
      this.busy = false;
    }
  }
}
