/** A button that asks Python for something: disabled, with the reason, where nobody answers. */

import { useSignal } from '@preact/signals';

import { useShared } from './context';
import { trans } from '../model/tongue';

export interface AskButtonProps {
  readonly action: string;
  readonly words: string;
  readonly row?: number;
  readonly primary?: boolean;
}

export const busy = () => trans.__('interrupt the kernel to cancel');

/** Nothing at all where Python does not know the action. */
export function AskButton({ action, words, row, primary = false }: AskButtonProps) {
  const { model, host, said, told } = useShared();
  const asked = useSignal(false);
  const why = model.header.value.actions[action];
  if (why === undefined || host.lacks?.(action)) return null;
  const deaf = host.answers.value === false;
  const reason = deaf ? trans.__('the kernel does not answer now') : why;

  async function ask(): Promise<void> {
    if (asked.value || reason) return;
    asked.value = true;
    const answer = await host.ask(action, row);
    asked.value = false;
    said.value = answer.text;
    told.value = answer.text;
  }

  return (
    <button
      type="button"
      class={primary ? 'onb-button onb-primary' : 'onb-button'}
      aria-disabled={reason !== '' || asked.value}
      title={reason || undefined}
      onClick={() => void ask()}
    >
      {asked.value && !deaf ? `${words} …` : words}
      {reason !== '' && <span class="onb-hidden"> ({reason})</span>}
    </button>
  );
}
