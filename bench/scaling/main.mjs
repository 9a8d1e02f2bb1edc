// usage: node bench/scaling/main.mjs NODES
//
// What a swarm of so many nodes costs, told by the real actors in a simulation: writes one line of JSON. Each node dials
// two others, chosen by chance; a link takes a millisecond.

import { performance } from 'node:perf_hooks';
import { createRandom } from '../workload.mjs';
import { distancesFrom, randomGraph } from './graph.mjs';
import { SimulatedSwarm } from './swarm.mjs';

const KEYS_PER_NODE = 100;
const KEYS_PER_REQUEST = 100;
const SAMPLED_GETS = 60;
const SETTLE_LIMIT_MS = 120_000;
const QUIET_MS = 10_000;
const BEAT = 130;
const SEARCH = 132;
const ECHO = 133;
const VALUE = 34;
const MISSING = 35;
const STORED = 36;
/** Up to here each look-up is followed to its home. */
const FOLLOWED_NODES = 32;

const count = Number(process.argv[2]);
const startedAt = performance.now();
const edges = randomGraph(count + 1);
const swarm = new SimulatedSwarm();
const result = { nodes: count };

const perNode = (since) => (swarm.traffic.bytes - since) / swarm.nodes.length;

// All start at once.
for (let i = 0; i < count; i++) swarm.start(edges);
result.settledMs = swarm.settle(SETTLE_LIMIT_MS);
result.startBytes = perNode(0);

// In a settled swarm only signs of life travel.
let since = swarm.traffic.bytes;
swarm.time.advance(QUIET_MS);
result.quietBytesPerSecond = perNode(since) / (QUIET_MS / 1000);

for (let node = 0; node < count; node++) store(node);
swarm.time.advance(1_000);
const kept = swarm.nodes.map((_, i) => swarm.inspect(i, 'counters').directory.keys);
result.keys = kept.reduce((sum, keys) => sum + keys, 0);
result.directoryMost = Math.max(...kept) / (result.keys / count);

measureGets();

// One more joins: its view, its share of the homes.
since = swarm.traffic.bytes;
swarm.start(edges);
result.joinMs = swarm.settle(SETTLE_LIMIT_MS);
result.joinBytes = perNode(since);

result.seconds = (performance.now() - startedAt) / 1000;
result.residentBytes = process.memoryUsage().rss;
process.stdout.write(`${JSON.stringify(result)}\n`);

function keyOf(owner, i) {
  return `key-${owner}-${i}`;
}

/** Each node creates its own keys. */
function store(node) {
  for (let first = 0; first < KEYS_PER_NODE; first += KEYS_PER_REQUEST) {
    const requests = Array.from({ length: KEYS_PER_REQUEST }, (_, i) => ({
      op: 'set',
      key: keyOf(node, first + i),
      value: 'x'.repeat(64),
    }));
    for (const [tag, ...fields] of swarm.ask(node, requests)) {
      if (tag !== STORED) throw new Error(`node ${node} answers a set by ${tag} ${JSON.stringify(fields)}`);
    }
  }
}

/** One get after the other, of random keys at random nodes: the first at a node, the second, and one of a key that is absent. */
function measureGets() {
  const random = createRandom(count);
  const sums = { known: 0, knownPath: 0, unknown: 0, unknownPath: 0, absent: 0, absentPath: 0, searches: 0 };
  const isFollowed = count <= FOLLOWED_NODES;
  for (let i = 0; i < SAMPLED_GETS; i++) {
    const owner = random() % count;
    const asker = (owner + 1 + (random() % (count - 1))) % count;
    const key = keyOf(owner, i % KEYS_PER_NODE);
    const fromAsker = distancesFrom(asker, edges.slice(0, -2), count);
    const toOwner = fromAsker[owner];
    const unknown = get(asker, key, VALUE, isFollowed);
    const known = get(asker, key, VALUE, false);
    const absent = get(asker, `absent-${i}`, MISSING, isFollowed);
    sums.known += known.messages;
    sums.knownPath += 2 * toOwner;
    sums.unknown += unknown.messages;
    sums.absent += absent.messages;
    sums.searches += known.searches + unknown.searches + absent.searches;
    if (!isFollowed) continue;
    const homeToOwner = distancesFrom(unknown.home, edges.slice(0, -2), count)[owner];
    sums.unknownPath += fromAsker[unknown.home] + homeToOwner + toOwner;
    sums.absentPath += 2 * fromAsker[absent.home];
  }
  const mean = (sum) => sum / SAMPLED_GETS;
  result.messages = { known: mean(sums.known), unknown: mean(sums.unknown), absent: mean(sums.absent) };
  result.required = isFollowed
    ? { known: mean(sums.knownPath), unknown: mean(sums.unknownPath), absent: mean(sums.absentPath) }
    : null;
  result.searches = sums.searches;
}

function get(asker, key, expected, isFollowed) {
  const lookups = () => swarm.nodes.map((_, i) => swarm.inspect(i, 'counters').directory.lookups);
  const before = isFollowed ? lookups() : [];
  let reply = null;
  const tags = swarm.during(() => {
    [reply] = swarm.ask(asker, [{ op: 'get', key }]);
  });
  if (reply[0] !== expected) throw new Error(`node ${asker} answers a get by ${JSON.stringify(reply)}`);
  const searches = (tags.get(SEARCH) ?? 0) + (tags.get(ECHO) ?? 0);
  tags.delete(BEAT);
  const messages = [...tags.values()].reduce((sum, own) => sum + own, 0);
  const home = isFollowed ? lookups().findIndex((own, i) => own > before[i]) : null;
  return { messages, searches, home };
}
