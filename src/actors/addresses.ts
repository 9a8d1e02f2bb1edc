/** The addresses that the actors of one node have of each other. */
import type {
  DatabasesMessage,
  DirectoryMessage,
  FinderMessage,
  LocalStoreMessage,
  LocatorMessage,
  NodeMessage,
  RouterMessage,
  ScannerMessage,
  WatcherMessage,
} from './message.js';
import type { Ref } from './runtime/kind.js';

/** Complete before any of its holders has its first turn; never changed afterwards. */
export interface Addresses {
  node: Ref<NodeMessage>;
  store: Ref<LocalStoreMessage>;
  finder: Ref<FinderMessage>;
  router: Ref<RouterMessage>;
  directory: Ref<DirectoryMessage>;
  locator: Ref<LocatorMessage>;
  scanner: Ref<ScannerMessage>;
  watcher: Ref<WatcherMessage>;
  databases: Ref<DatabasesMessage>;
}
