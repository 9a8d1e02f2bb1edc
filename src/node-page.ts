/** What a browser gets at `/`: what this is, and a small console that talks to the node through `/client.js`. */
export const nodePage = (name: string, swarm: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>swarmbus: ${name}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
  input, button { font: inherit; padding: .3rem .5rem; }
  pre { background: #8881; padding: .8rem; overflow: auto; min-height: 3rem; }
</style>
<h1>swarmbus</h1>
<p>This is the node <b>${name}</b> of the swarm <b>${swarm}</b>. Clients open a WebSocket at this address, other nodes at
<code>/link</code>. What is set through any node of the swarm can be read through all of them.</p>
<form id="form">
  <input id="key" placeholder="key" required>
  <input id="value" placeholder='value as JSON, e.g. {"a": 1}'>
  <button name="get">get</button>
  <button name="set">set</button>
  <button name="delete">delete</button>
</form>
<pre id="out">connecting …</pre>
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
  const text = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v), 2);
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
  try {
    const client = await open();
    show(text(await client.inspect('node')));
    document.getElementById('form').addEventListener('submit', async (event) => {
      event.preventDefault();
      try {
        const key = field('key');
        if (event.submitter.name === 'get') {
          const value = await client.get(key);
          show(value === undefined ? 'missing' : text(value));
        } else if (event.submitter.name === 'set') {
          await client.set(key, JSON.parse(field('value')));
          show('stored');
        } else show((await client.delete(key)) ? 'deleted' : 'there was nothing to delete');
      } catch (error) {
        show(error.code ? error.code + ': ' + error.message : 'the value is no JSON: ' + error.message);
      }
    });
  } catch (error) {
    show(error.message);
  }
</script>
</html>
`;
