/** The command `topology`: the swarm as one node sees it. */
import { Option } from 'commander';
import { addClientOptions, withClient } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT } from './exit.js';
import { isForPeople, type Outside } from './outside.js';
import { formatTable } from './table.js';

/** What a node reports of one member. */
interface Member {
  readonly id: string;
  readonly name: string;
  readonly hops: number | null;
  readonly next: string | null;
  readonly roles: readonly string[];
  readonly neighbours: readonly string[];
  readonly you: boolean;
}
type LinkEnds = readonly [string, string];
interface Topology {
  readonly members: readonly Member[];
  readonly links: readonly LinkEnds[];
  /** Members that are gone and may hold what isn't found. */
  readonly missed: number;
}

export const topologyCommand: CommandDefinition = {
  declare(command) {
    command
      .addOption(new Option('--format <FORM>', 'how to print it').choices(['text', 'json', 'mermaid']).default('text'))
      .addHelpText('after', examples('swarmbus topology', 'swarmbus topology --format mermaid > swarm.mmd'));
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const { format } = command.opts<{ format: 'text' | 'json' | 'mermaid' }>();
      const report = await client.inspect('topology');
      if (format === 'json') outside.stdout.write(`${JSON.stringify(report)}\n`);
      else outside.stdout.write(format === 'text' ? asText(read(report), outside) : asMermaid(read(report)));
      return EXIT.done;
    }),
};

function asText({ members, links, missed }: Topology, outside: Outside): string {
  const nameOf = names(members);
  const rows = members.map(({ id, name, hops, next, roles, neighbours, you }) => [
    you ? `${name} (asked)` : name,
    id,
    hops === null ? 'unreachable' : `${hops}`,
    next === null || you ? '' : nameOf(next),
    roles.join(' '),
    neighbours.map(nameOf).join(' '),
  ]);
  const table = formatTable(['node', 'id', 'hops', 'by way of', 'roles', 'linked to'], rows, outside);
  if (!isForPeople(outside.stdout)) return table;
  const gone = missed === 0 ? '' : `, ${missed} missed: what isn't found is UNKNOWN`;
  return `${table}${members.length} node${plural(members.length)}, ${links.length} link${plural(links.length)}${gone}\n`;
}

/** A graph for Mermaid. Names hold no quotes, yet their dashes and dots are no Mermaid ids, so nodes are numbered. */
function asMermaid({ members, links }: Topology): string {
  const numbers = new Map(members.map(({ id }, i) => [id, `n${i}`]));
  const lines = members.map(({ name, you }, i) => `  n${i}${you ? `(["${name}"])` : `["${name}"]`}`);
  for (const [a, b] of links) {
    const [from, to] = [numbers.get(a), numbers.get(b)];
    if (from !== undefined && to !== undefined) lines.push(`  ${from} --- ${to}`);
  }
  return `${['graph LR', ...lines].join('\n')}\n`;
}

function names(members: readonly Member[]): (id: string) => string {
  const byId = new Map(members.map(({ id, name }) => [id, name]));
  return (id) => byId.get(id) ?? id;
}

function plural(count: number): string {
  return count === 1 ? '' : 's';
}

/** A report may come from a node of another version: what it lacks is left empty. */
function read(report: object): Topology {
  const { members, links, missed } = report as Readonly<Record<string, unknown>>;
  return {
    members: listOf(members).map((member) => {
      const { id, name, hops, next, roles, neighbours, you } = member as Readonly<Record<string, unknown>>;
      return {
        id: String(id),
        name: typeof name === 'string' ? name : String(id),
        hops: typeof hops === 'number' ? hops : null,
        next: typeof next === 'string' ? next : null,
        roles: listOf(roles).map(String),
        neighbours: listOf(neighbours).map(String),
        you: you === true,
      };
    }),
    links: listOf(links).map((ends) => {
      const [a, b] = listOf(ends);
      return [String(a), String(b)];
    }),
    missed: typeof missed === 'number' ? missed : 0,
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
