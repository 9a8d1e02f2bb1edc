/** The commands on replicated databases: `swarmbus db create`, `swarmbus db get` and so on. */
import { examples, type CommandGroup } from '../command.js';
import { exportCommand } from './export.js';
import { importCommand } from './import.js';
import { logCommand, tailCommand } from './log.js';
import { compactCommand, createCommand, listCommand } from './manage.js';
import { getCommand, setCommand } from './object.js';
import { verifyCommand } from './verify.js';

export const dbGroup: CommandGroup = {
  declare(command) {
    command.addHelpText(
      'after',
      [
        '',
        'A database is held whole by the nodes that are its peers, and served through all nodes of the swarm.',
        examples(
          'swarmbus db create todos',
          `swarmbus db set todos todo:1 '{"title": "write", "done": false}'`,
          'swarmbus db get todos todo:1',
          'swarmbus db tail todos',
        ),
      ].join('\n'),
    );
  },
  commands: [
    { name: 'create', summary: 'make a node a peer of a database, new or not', command: createCommand },
    { name: 'list', summary: 'show the databases of the swarm', command: listCommand },
    { name: 'get', summary: 'print objects', command: getCommand },
    { name: 'set', summary: 'change an object', command: setCommand },
    { name: 'log', summary: 'print the changes so far', command: logCommand },
    { name: 'tail', summary: 'print the changes as they come', command: tailCommand },
    { name: 'verify', summary: 'compare the peers of a database', command: verifyCommand },
    { name: 'compact', summary: 'replace the log by the states of the objects', command: compactCommand },
    { name: 'export', summary: 'print all objects as JSON lines', command: exportCommand },
    { name: 'import', summary: 'write the objects of a file', command: importCommand },
  ],
};
