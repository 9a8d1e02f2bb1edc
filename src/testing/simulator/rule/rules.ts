/** All rules that are watched over in a run. */
import { holds, keysIn, stampsIn } from '../look.js';
import { ClockHeard } from './clock-heard.js';
import { HomeAnswers } from './home-answers.js';
import { IncomingWaits } from './incoming-waits.js';
import { MergeFreezes } from './merge-freezes.js';
import { MergeKeepsOne } from './merge-keeps-one.js';
import { MovedKeyTold } from './moved-key-told.js';
import { OneExecution } from './one-execution.js';
import { RecordsTravel } from './records-travel.js';
import { RecoveryWaits } from './recovery-waits.js';
import { SearchWaits } from './search-waits.js';
import { ViewEdges } from './view-edges.js';
import { WatchedRules } from './watched-rules.js';
import { WholeDatabase } from './whole-database.js';

export const createWatchedRules = (): WatchedRules =>
  new WatchedRules([
    new HomeAnswers(),
    new OneExecution(),
    new MergeKeepsOne(),
    new SearchWaits(),
    new RecoveryWaits(keysIn),
    new ViewEdges(),
    new WholeDatabase(),
    new ClockHeard(),
    new MergeFreezes(stampsIn),
    new RecordsTravel(),
    new MovedKeyTold(holds),
    new IncomingWaits(),
  ]);
