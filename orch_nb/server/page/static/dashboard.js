// The dashboard: a list of runs that stays up to date, and the run that is open beside it.

const { base, views: viewsUrl } = document.body.dataset;
const api = `${base}orch-nb/api`;
const element = (id) => document.getElementById(id);
const MARKS = {
  Completed: '✓', Cached: '✓', Failed: '✕', TimedOut: '✕', Crashed: '◆', Running: '◐',
  Retrying: '↻', Cancelled: '□', Skipped: '–', Late: '◷', Paused: '‖', Suspended: '‖',
};
let shown = [];
let cursor = null;
let open = null; // {id, node, take, close}
let socket = null;
let seen = null; // the cursor of the last event

async function ask(path, options = {}) {
  const xsrf = document.cookie.match(/\b_xsrf=([^;]*)/);
  const headers = { 'Content-Type': 'application/json' };
  if (xsrf) headers['X-XSRFToken'] = xsrf[1];
  const answer = await fetch(`${api}${path}`, { credentials: 'same-origin', headers, ...options });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.hint ? `${body.message} (${body.hint})` : body.message);
  return body;
}

function say(error) {
  element('trouble').hidden = !error;
  element('trouble').textContent = error ? error.message : '';
}

function words(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, at) => (at ? String(part).padStart(2, '0') : part)).join(':');
}

function cells(run) {
  const began = run.start_time && new Date(run.start_time);
  const ended = run.end_time && new Date(run.end_time);
  return [
    `${MARKS[run.state_name] ?? '○'} ${run.state_name}`,
    run.flow,
    null,
    began ? began.toLocaleString() : '',
    began && ended ? words((ended - began) / 1000) : '',
  ];
}

function row(run) {
  const line = document.createElement('tr');
  line.setAttribute('aria-selected', String(open?.id === run.id));
  for (const text of cells(run)) {
    const cell = document.createElement('td');
    if (text === null) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = run.name;
      button.addEventListener('click', () => show(run.id));
      cell.append(button);
    } else {
      cell.textContent = text;
      cell.title = text;
    }
    line.append(cell);
  }
  return line;
}

function draw() {
  element('runs').replaceChildren(...shown.map(row));
  element('more').hidden = cursor === null;
}

function query(more) {
  const form = new FormData(element('filter'));
  const wanted = new URLSearchParams({ limit: '50' });
  for (const name of ['search', 'state']) if (form.get(name)) wanted.set(name, form.get(name));
  if (more && cursor) wanted.set('cursor', cursor);
  return wanted;
}

async function list(more = false) {
  try {
    const page = await ask(`/runs?${query(more)}`);
    shown = more ? [...shown, ...page.runs] : page.runs;
    cursor = page.cursor;
    draw();
    say(null);
  } catch (error) {
    say(error);
  }
}

async function show(id) {
  open?.close();
  const node = document.createElement('div');
  element('run').replaceChildren(node);
  document.querySelector('main').classList.add('open');
  open = { id, node, take: () => undefined, close: () => undefined };
  history.replaceState(null, '', `#${id}`);
  draw();
  try {
    const found = await ask(`/runs/${encodeURIComponent(id)}`);
    if (viewsUrl) await mount(found.snapshot);
    else still(found);
    if (found.snapshot.run.seconds === null) watch(id);
    say(null);
  } catch (error) {
    say(error);
  }
}

async function mount(snapshot) {
  const views = await import(viewsUrl);
  const model = new views.RunModel(snapshot, () => performance.now() / 1000);
  open.take = (message) => {
    if (!model.take(message)) watch(open.id, true);
  };
  open.close = views.mount(open.node, model, hostOf(open.id, snapshot));
}

// Who answers what the views ask: the API.
function hostOf(run, { rows }) {
  const path = `/runs/${encodeURIComponent(run)}`;
  const answers = { value: true, peek: () => true };
  async function reply(action, row) {
    if (action === 'detail') return { detail: await ask(`${path}/cells/${rows[row].cell}`) };
    if (action === 'snapshot') return { snapshot: (await ask(path)).snapshot };
    if (action !== 'cancel') return { ok: false, text: 'not to be had on this page' };
    const { name, state_name: state } = await ask(`${path}/cancel`, { method: 'POST' });
    return { text: `${name} is ${state.toLowerCase()}` };
  }
  return {
    answers,
    ask: async (action, row) => {
      const plain = { type: 'answer', number: 0, ok: true, text: '' };
      try {
        return { ...plain, ...(await reply(action, row)) };
      } catch (error) {
        return { ...plain, ok: false, text: error.message };
      }
    },
  };
}

function still(found) {
  const title = document.createElement('h2');
  title.textContent = `${found.run.flow} / ${found.run.name}: ${found.run.state_name}`;
  const tasks = document.createElement('ul');
  for (const task of found.snapshot.rows) {
    const line = document.createElement('li');
    line.textContent = `${MARKS[task.state] ?? '○'} ${task.name}, cell ${task.cell}: ${task.state}`;
    if (task.error) line.textContent += `, ${task.error.name}: ${task.error.value}`;
    tasks.append(line);
  }
  open.node.replaceChildren(title, tasks);
  open.take = () => show(open.id);
}

function watch(run, again = false) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  if (again) socket.send(JSON.stringify({ type: 'unwatch', run }));
  socket.send(JSON.stringify({ type: 'watch', run }));
}

let listing = null;
function soon() {
  listing ??= setTimeout(() => {
    listing = null;
    list();
  }, 300);
}

function connect() {
  const address = new URL(`${api}/events/stream`, location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  if (seen !== null) address.searchParams.set('cursor', seen);
  socket = new WebSocket(address);
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data);
    if (message.cursor !== undefined) seen = message.cursor;
    if (message.type === 'hello' && open) watch(open.id);
    if (message.type === 'run' && message.run === open?.id) open.take(message.message);
    if (message.type === 'change' && message.task === null) soon();
    if (message.type === 'deployments') tell();
  });
  socket.addEventListener('close', () => setTimeout(connect, 2000));
}

async function tell() {
  try {
    element('daemon').textContent = (await ask('/daemon')).sentence;
  } catch (error) {
    say(error);
  }
}

element('filter').addEventListener('input', () => list());
element('filter').addEventListener('submit', (event) => event.preventDefault());
element('more').addEventListener('click', () => list(true));
await list();
tell();
connect();
if (location.hash.length > 1) show(decodeURIComponent(location.hash.slice(1)));
