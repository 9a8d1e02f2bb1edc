/** The channels of a peer to others: who brings states. */
import { expect, it } from '@jest/globals';
import { Channels } from '../../src/actors/replica/channels.js';
import type { ChannelsHost } from '../../src/actors/replica/channels.js';
import { newReplicaCounts } from '../../src/actors/replica/counts.js';
import { FeedCredit } from '../../src/actors/replica/feed-credit.js';
import { infoOfPeer } from '../../src/actors/replica/peer-info.js';
import type { PeerInfo } from '../../src/actors/replica/peer-info.js';
import { parseNodeId } from '../../src/store/node-id.js';
import type { NodeId } from '../../src/store/node-id.js';
import { OpChains } from '../../src/store/op-chain.js';
import { OpLog } from '../../src/store/oplog.js';
import type { MessageOf } from '../../src/transport/message.js';

const [ME, A, C, LOG] = ['1M', '1A', '1C', '1L'].map((text) => parseNodeId(text)) as [NodeId, NodeId, NodeId, NodeId];

it('[PE4] a peer that needs to send no states after all lets others do so, and joining end', () => {
  const sent: MessageOf<'peerOn'>[] = [];
  const options = { scheme: '0262', isShared: false, isRelaxed: false, types: [], compactAfterMs: 0 };
  let meta = { options, peer: 'OM', isJoining: true };
  const sizes = { feedBytes: 1000, creditBytes: 1000, lentBytes: 1000, patchBytes: 1000 };
  const chains = new OpChains();
  const host = {
    self: { now: () => 0, log: () => {}, flushLater: () => {}, ref: {} },
    identity: { node: ME, incarnation: 1 },
    name: 'db',
    counts: newReplicaCounts(),
    credit: new FeedCredit(1000, 1000),
    settings: { replicaSizes: sizes },
    addresses: { router: { tell: (message: MessageOf<'peerOn'>) => void sent.push(message) } },
    store: { log: new OpLog(0, () => null), stored: 0, chains, floorChains: chains, number: 0, writtenNumber: 0 },
    records: {
      get meta() {
        return meta;
      },
      putMeta: (next: typeof meta) => void (meta = next),
      logName: LOG,
      absorbing: null,
      resolve: () => null,
      positionAt: () => null,
      noteAbsorbing: () => {},
    },
    patches: {},
    clients: { onConfirmed: () => {}, onSpread: () => {}, goOn: () => {} },
    uncovered: { keep: () => {} },
    goOnLater: () => {},
    cover: () => {},
  };
  const channels = new Channels(host as unknown as ChannelsHost);
  const see = (incarnationOfA: number): void =>
    channels.onPeers([
      { node: A, incarnation: incarnationOfA, peer: 'OA', place: 'tree' },
      { node: C, incarnation: 1, peer: 'OC', place: 'tree' },
    ]);
  const greet = (from: NodeId, channel: number, hasStates: boolean, length: number): void => {
    const [peer, floor] = [from === A ? 'OA' : 'OC', hasStates ? length : 0];
    const none = { isLazy: false, position: null, chains: null, absorbing: null };
    const told: PeerInfo = { peer, log: LOG, length, floor, isReady: true, start: floor, hasStates, ...none, options };
    for (let i = 0; i < 3; i += 1) {
      const answers = sent.filter(({ to }) => to === from).at(-1)?.channel ?? 0;
      const head = { to: ME, from, hops: 1, database: 'db', channel, answers };
      channels.onPeerMessage({ type: 'peerOn', ...head, info: infoOfPeer(told) });
    }
  };
  see(1);
  greet(A, 1, true, 5);
  // It has started again, and what it covers has come from the other one meanwhile.
  see(2);
  greet(A, 2, false, 0);
  channels.finishJoining();
  expect(meta.isJoining).toBe(false);
  greet(C, 7, true, 5);
  expect(channels.reports()[1]).toMatchObject({ isReady: true });
});
