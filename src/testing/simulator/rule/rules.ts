/** All rules that are watched over in a run. */
import { keysIn } from '../look.js';
import { HomeAnswers } from './home-answers.js';
import { MergeKeepsOne } from './merge-keeps-one.js';
import { OneExecution } from './one-execution.js';
import { RecoveryWaits } from './recovery-waits.js';
import type { RuleWatch } from './rule-watch.js';
import { SearchWaits } from './search-waits.js';
import { ViewEdges } from './view-edges.js';

export const createRuleWatches = (): readonly RuleWatch[] => [
  new HomeAnswers(),
  new OneExecution(),
  new MergeKeepsOne(),
  new SearchWaits(),
  new RecoveryWaits(keysIn),
  new ViewEdges(),
];
