import assert from 'node:assert/strict';
import test from 'node:test';

import { Choices, type Keeper } from '../src/model/choices';
import { MessageHost } from '../src/model/host';
import type { Ask } from '../src/schema';

test('an answer goes to the question that it belongs to', async () => {
  const sent: Ask[] = [];
  const host = new MessageHost(
    (ask) => sent.push(ask),
    () => undefined,
  );
  const first = host.ask('cancel');
  const second = host.ask('detail', 3);
  assert.deepEqual(sent, [
    { type: 'ask', number: 1, action: 'cancel' },
    { type: 'ask', number: 2, action: 'detail', row: 3 },
  ]);
  host.take({ type: 'answer', number: 2, ok: true, text: 'two' });
  host.take({ type: 'answer', number: 1, ok: true, text: 'one' });
  assert.deepEqual([(await first).text, (await second).text], ['one', 'two']);
});

test('silence means that nobody answers, until somebody does', () => {
  let late: () => void = () => undefined;
  const host = new MessageHost(
    () => undefined,
    (work) => {
      late = work;
    },
  );
  void host.ask('snapshot');
  assert.equal(host.answers.value, null);
  late();
  assert.equal(host.answers.value, false);
  host.take({ type: 'answer', number: 1, ok: true, text: '' });
  assert.equal(host.answers.value, true);
});

test('what only looks is asked again, what acts is not', () => {
  const sent: string[] = [];
  const later: [() => void, number][] = [];
  const host = new MessageHost(
    ({ action }) => sent.push(action),
    (work, milliseconds) => later.push([work, milliseconds]),
  );
  void host.ask('detail', 1);
  void host.ask('resume');
  later.slice().forEach(([work]) => {
    work();
  });
  assert.deepEqual(sent, ['detail', 'resume', 'detail']);
  assert.deepEqual(
    later.map(([, milliseconds]) => milliseconds),
    [3000, 3000, 9000],
  );
});

test('what was chosen survives a reload, and nonsense does no harm', () => {
  const kept = new Map<string, string>();
  const keeper: Keeper = {
    read: (key) => kept.get(key) ?? null,
    write: (key, value) => kept.set(key, value),
  };
  const before = new Choices('ab12', keeper);
  before.tab.value = 'graph';
  before.choose(4);
  before.dispose();
  const after = new Choices('ab12', keeper);
  assert.deepEqual([after.tab.value, after.open.value, after.chosen.value], ['graph', 4, true]);
  after.dispose();
  for (const nonsense of ['', 'null', '[]', '{"tab":"<img>","open":"x"}', '{']) {
    kept.set('orch_nb.ab12', nonsense);
    const choices = new Choices('ab12', keeper);
    assert.equal(choices.tab.value, 'list');
    choices.dispose();
  }
});
