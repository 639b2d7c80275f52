/** Debug a failed task: its inputs, as they were, are loaded into the notebook's kernel. */

import type { KernelMessage } from '@jupyterlab/services';

import type { Doors } from './doors';
import { jumpToNumber } from './notebooks';
import type { RunRecord } from './records';

/** Goes to the cell, loads its inputs, and gives what the kernel said about it. */
export async function debugTask(
  run: RunRecord,
  task: { name: string; cell: number },
  doors: Doors,
): Promise<string> {
  const { trans } = doors;
  if (run.path === null) throw new Error(trans.__('the notebook is not below the server’s folder'));
  const panel = await doors.openNotebook(run.path);
  if (panel === undefined) throw new Error(trans.__('%1 could not be opened', run.path));
  await panel.context.ready;
  jumpToNumber(panel, task.cell);
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) throw new Error(trans.__('the notebook has no kernel: choose one, then debug'));
  const called = `${run.id} ${quoted(task.name)}`;
  const future = kernel.requestExecute({
    code: `%load_ext orch_nb\n%flow debug ${called}`,
    store_history: false,
    stop_on_error: true,
    allow_stdin: false,
  });
  const said: string[] = [];
  future.onIOPub = (message: KernelMessage.IIOPubMessage) => {
    const { content } = message as KernelMessage.IStreamMsg;
    if (message.header.msg_type === 'stream' && content.name === 'stdout') said.push(content.text);
  };
  const { content } = await future.done;
  if (content.status !== 'ok') {
    const reason = content.status === 'error' ? content.evalue : trans.__('it was interrupted');
    throw new Error(trans.__('the kernel could not load the inputs: %1', reason));
  }
  const kept = said
    .join('')
    .split('\n')
    .filter((line) => /^(its inputs|not on record|not to be had)/.test(line));
  return [trans.__('in the kernel of %1', run.path), ...kept].join(' · ');
}

function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replace(/'/g, "'\"'\"'")}'`;
}
