/** A Lumino widget whose content is drawn by Preact. */

import { Widget } from '@lumino/widgets';
import { render, type ComponentChild } from 'preact';

export class PreactWidget extends Widget {
  constructor(content: ComponentChild) {
    super();
    this.addClass('onb');
    this.addClass('onb-lab');
    render(content, this.node);
    this.disposed.connect(() => {
      render(null, this.node);
    });
  }
}
