/** What a browser gets at `/`: what this is, and a small console that talks to the node through `/client.js`. */
export const nodePage = (name: string, swarm: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>swarmbus: ${name}</title>
<link rel="icon" href="data:,">
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
  form { display: flex; flex-wrap: wrap; gap: .5rem; }
  input { flex: 1 10rem; min-width: 0; }
  #value { flex-grow: 2; }
  input, button { font: inherit; padding: .3rem .7rem; }
  pre { background: #8882; border-radius: .3rem; padding: .8rem; overflow: auto; }
  #out { min-height: 3rem; max-height: 60vh; }
</style>
<h1>swarmbus</h1>
<p>This is the node <b>${name}</b> of the swarm <b>${swarm}</b>. Clients open a WebSocket at this address, other nodes at
<code>/link</code>. What is set through any node of the swarm can be read through all of them.</p>
<form id="form">
  <input id="key" aria-label="key" placeholder="key" required autocomplete="off" autofocus>
  <input id="value" aria-label="value" placeholder='value as JSON, e.g. {"a": 1}' autocomplete="off">
  <button name="get">get</button>
  <button name="set">set</button>
  <button name="delete">delete</button>
</form>
<pre id="out" aria-live="polite">connecting …</pre>
<p>In a page of your own, served by this node or named by <code>--origin</code>:</p>
<pre>import { connect } from '/client.js';
const client = await connect(location.origin.replace(/^http/, 'ws'));
await client.set('greeting', 'hello');
document.body.append(await client.get('greeting'));</pre>
<script type="module">
  import { connect } from '/client.js';
  const out = document.getElementById('out');
  const show = (what) => { out.textContent = what; };
  const field = (id) => document.getElementById(id).value;
  const plain = (_, value) => {
    if (typeof value === 'bigint') return String(value);
    if (value instanceof Uint8Array) return value.length + ' bytes';
    return value instanceof Map ? [...value] : value;
  };
  const text = (value) => JSON.stringify(value, plain, 2);
  let token = sessionStorage.getItem('token') ?? undefined;
  const open = async () => {
    try {
      return await connect(location.origin.replace(/^http/, 'ws'), { token });
    } catch (error) {
      if (error.code !== 'UNAUTHENTICATED') throw error;
      token = prompt('This node asks for a token:') ?? '';
      sessionStorage.setItem('token', token);
      return await connect(location.origin.replace(/^http/, 'ws'), { token });
    }
  };
  const opened = open();
  document.getElementById('form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const [key, value, command] = [field('key'), field('value'), event.submitter.name];
    let parsed;
    try {
      if (command === 'set') parsed = JSON.parse(value);
    } catch (error) {
      return show('the value is no JSON: ' + error.message);
    }
    try {
      const client = await opened;
      if (command === 'get') {
        const found = await client.get(key);
        show(found === undefined ? 'missing' : text(found));
      } else if (command === 'set') {
        await client.set(key, parsed);
        show('stored');
      } else show((await client.delete(key)) ? 'deleted' : 'there was nothing to delete');
    } catch (error) {
      show(error.code + ': ' + error.message);
    }
  });
  try {
    show(text(await (await opened).inspect('node')));
  } catch (error) {
    show(error.message);
  }
</script>
</html>
`;
