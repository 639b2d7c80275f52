import assert from 'node:assert/strict';
import test from 'node:test';

import { effect } from '@preact/signals';

import { RunModel } from '../src/model/run';
import { aDelta, aHeader, aRow, aSnapshot } from './samples';

function stillClock(): number {
  return 0;
}

test('a delta changes the fields it names and no others', () => {
  const model = new RunModel(aSnapshot([aRow(1, { of: 3 }), aRow(2)]), stillClock);
  const taken = model.take(aDelta(1, { rows: [[0, { state: 'Running', start: 0.5 }]] }));
  assert.ok(taken);
  assert.deepEqual(model.snapshot().rows, [
    aRow(1, { of: 3, state: 'Running', start: 0.5 }),
    aRow(2),
  ]);
});

test('a field that is null goes', () => {
  const error = { name: 'KeyError', value: '', line: 2 };
  const model = new RunModel(aSnapshot([aRow(1, { error })]), stillClock);
  model.take(aDelta(1, { rows: [[0, { error: null, state: 'Retrying' }]] }));
  assert.deepEqual(model.snapshot().rows, [aRow(1, { state: 'Retrying' })]);
});

test('only the row that changed is drawn anew', () => {
  const model = new RunModel(aSnapshot([aRow(1), aRow(2)]), stillClock);
  let drawn = 0;
  const stop = effect(() => {
    drawn += model.rows.value[1]?.value ? 1 : 0;
  });
  model.take(aDelta(1, { rows: [[0, { state: 'Running' }]] }));
  assert.equal(drawn, 1);
  model.take(aDelta(2, { rows: [[1, { state: 'Running' }]] }));
  assert.equal(drawn, 2);
  stop();
});

test('a message that was missed is noticed, one that came twice is not taken twice', () => {
  const model = new RunModel(aSnapshot([aRow(1)]), stillClock);
  assert.equal(model.take(aDelta(2, { rows: [[0, { state: 'Failed' }]] })), false);
  assert.equal(model.snapshot().rows[0]?.state, 'Pending');
  assert.ok(model.take(aDelta(1, { logs: [{ time: 0, level: 'INFO', task: '', text: 'a' }] })));
  assert.ok(model.take(aDelta(1, { logs: [{ time: 0, level: 'INFO', task: '', text: 'a' }] })));
  assert.equal(model.logs.value.length, 1);
  assert.ok(model.take(aSnapshot([aRow(1, { state: 'Failed' })], { seq: 5 })));
  assert.equal(model.seq, 5);
  assert.equal(model.counts.value.failed, 1);
});

test('an older snapshot changes nothing', () => {
  const model = new RunModel(aSnapshot([aRow(1, { state: 'Completed' })], { seq: 7 }), stillClock);
  model.take(aSnapshot([aRow(1)], { seq: 3 }));
  assert.equal(model.snapshot().rows[0]?.state, 'Completed');
});

test('rows that come later are appended and counted', () => {
  const model = new RunModel(aSnapshot([aRow(1)]), stillClock);
  model.take(aDelta(1, { rows: [[1, { cell: 2, name: 'late', state: 'Running' }]] }));
  assert.deepEqual(model.snapshot().rows, [aRow(1), aRow(2, { name: 'late', state: 'Running' })]);
  assert.equal(model.counts.value.running, 1);
});

test('the clock runs on between messages, and stops with the run', () => {
  let now = 10;
  const model = new RunModel(aSnapshot([], { now: 3 }), () => now);
  now = 12;
  assert.equal(model.elapsed(), 5);
  model.take(aDelta(1, { now: 6, run: { state: 'Completed', seconds: 5.5 } }));
  now = 99;
  assert.equal(model.elapsed(), 5.5);
});

test('cells that are no tasks count only when they fail', () => {
  const rows = [aRow(1, { task: false }), aRow(2), aRow(3, { task: false, state: 'Failed' })];
  const model = new RunModel(aSnapshot(rows), stillClock);
  assert.deepEqual(model.counts.value, {
    waiting: 1,
    running: 0,
    done: 0,
    failed: 1,
    'left-out': 0,
  });
});

test('calls are counted by the row of their cell', () => {
  const failed = { state: 'Failed' as const };
  const rows = [aRow(1, failed), aRow(1, { ...failed, task: false, item: 17 })];
  assert.equal(new RunModel(aSnapshot(rows), stillClock).counts.value.failed, 1);
});

test('a thousand tasks that run and end cost well under a frame a message', () => {
  const rows = Array.from({ length: 1000 }, (_, place) => aRow(place + 1));
  const model = new RunModel(aSnapshot(rows, { run: aHeader() }), stillClock);
  const began = performance.now();
  for (let seq = 1; seq <= 100; seq += 1) {
    const changes = Array.from(
      { length: 10 },
      (_, place) => [seq * 10 - 10 + place, { state: 'Completed', end: seq }] as const,
    );
    model.take(aDelta(seq, { rows: changes.map(([position, fields]) => [position, fields]) }));
    assert.ok(model.counts.value.done === seq * 10);
  }
  assert.ok((performance.now() - began) / 100 < 10);
});
