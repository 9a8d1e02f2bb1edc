/** Options of simulated nodes where a plan says nothing else: faults are noticed within seconds, as a run has sixty. */
import type { Settings } from '../../actors/settings.js';
import { TEST_SETTINGS } from '../swarm.js';

export const SIMULATION_SETTINGS: Settings = {
  ...TEST_SETTINGS,
  heartbeatMs: 500,
  heartbeatTimeoutMs: 2000,
  requestTimeoutMs: 2000,
  missedMs: 5000,
};
