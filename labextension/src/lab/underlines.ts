/** The problems of `check`, underlined in the cells' editors, with what mends them. */

import { setDiagnostics, type Diagnostic } from '@codemirror/lint';
import type { Text } from '@codemirror/state';
import type { EditorView } from '@codemirror/view';
import type { Cell } from '@jupyterlab/cells';
import { CodeMirrorEditor } from '@jupyterlab/codemirror';
import type { Signal } from '@preact/signals';

import { onEachCell } from './cell-parts';
import type { OpenFlow } from './flows';
import type { Fix, Place, Problem } from './records';

const SEVERITY = { error: 'error', warning: 'warning', note: 'info' } as const;

export function addUnderlines(open: OpenFlow, isShown: Signal<boolean>): void {
  const { flow } = open;
  const marked = new WeakSet<EditorView>();
  onEachCell(flow.panel, (cell) => {
    const problems = isShown.value ? (flow.graph.value?.problems ?? []) : [];
    const editor = cell.editor;
    if (!(editor instanceof CodeMirrorEditor)) return;
    const view = editor.editor;
    const mine = problems.filter((problem) => problem.cell_id === cell.model.id);
    if (mine.length === 0 && !marked.has(view)) return; // most cells never need the extension
    marked.add(view);
    const found = mine.map((problem) => diagnosticOf(problem, view.state.doc, cell));
    view.dispatch(setDiagnostics(view.state, found));
  });
}

function diagnosticOf(problem: Problem, doc: Text, cell: Cell): Diagnostic {
  const [from, to] = offsets(problem.range, doc);
  return {
    from,
    to,
    severity: SEVERITY[problem.severity],
    source: 'orch_nb',
    message: problem.hint ? `${problem.message}\n${problem.hint}` : problem.message,
    actions: problem.fixes.map((fix) => ({
      name: fix.title,
      apply: (view: EditorView, start: number, end: number) => {
        mend(fix, cell, view, start, end);
      },
    })),
  };
}

function mend(fix: Fix, cell: Cell, view: EditorView, from: number, to: number): void {
  if (fix.text !== null) view.dispatch({ changes: { from, to, insert: fix.text } });
  if (fix.metadata !== null) cell.model.sharedModel.setMetadata(fix.metadata as never);
}

/** A place in the text as offsets; the text may have been edited since the server saw it. */
function offsets(place: Place | null, doc: Text): [number, number] {
  if (place === null) return [0, doc.line(1).to];
  const at = (line: number, column: number) => {
    const found = doc.line(Math.min(line + 1, doc.lines));
    return Math.min(found.from + column, found.to);
  };
  const from = at(place.line, place.column);
  return [from, Math.max(from, at(place.end_line, place.end_column))];
}
