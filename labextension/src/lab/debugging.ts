/** What is asked of a notebook's kernel: a failed task's inputs, as they were, or to go on. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';

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
  const future = ask(kernel, `%flow debug ${run.id} ${quoted(task.name)}`);
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

/**
 * Goes on with a run in the kernel that it came from, which then holds the results. What it shows
 * is not shown twice: the view of the run is there. Ends when the run has begun.
 */
export async function resumeInKernel(
  run: RunRecord,
  tasks: readonly string[],
  panel: NotebookPanel,
  doors: Doors,
): Promise<void> {
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) throw new Error(doors.trans.__('the notebook has no kernel'));
  const verb =
    tasks.length > 0 ? `retry ${run.id} ${tasks.map(quoted).join(' ')}` : `resume ${run.id}`;
  const future = ask(kernel, `%flow ${verb}`);
  await new Promise<void>((resolve, reject) => {
    future.onIOPub = (message: KernelMessage.IIOPubMessage) => {
      if (message.header.msg_type === 'display_data') resolve();
    };
    future.done.then(({ content }) => {
      if (content.status === 'error') reject(new Error(content.evalue));
      else resolve();
    }, reject);
  });
}

/** A `%flow` line is a cell of its own: in a kernel that has not loaded orch_nb, another is first. */
function ask(kernel: Kernel.IKernelConnection, line: string) {
  const quietly = { store_history: false, stop_on_error: true, allow_stdin: false };
  kernel.requestExecute({ code: '%load_ext orch_nb', silent: true, ...quietly }, true);
  return kernel.requestExecute({ code: line, ...quietly });
}

function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replace(/'/g, "'\"'\"'")}'`;
}
