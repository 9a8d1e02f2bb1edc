// Sources are ES modules; swc turns them into CommonJS for jest, whose own support for ES modules
// still hides behind a flag on Node 20. Types are checked by `make check`, not here.

/**
 * Jest runs tests in a context whose globals are slow to look up, each time: what computes a lot took twice as long by
 * that. These become parameters of each module instead. No test may replace one of them.
 */
const QUICK_GLOBALS = [
  'Array ArrayBuffer BigInt Buffer DataView Error Float64Array Infinity Int32Array JSON Map Math Number Object Promise',
  'RangeError Set String Symbol TextDecoder TextEncoder TypeError Uint16Array Uint32Array Uint8Array WeakMap',
].flatMap((names) => names.split(' '));

export default {
  globalSetup: '<rootDir>/test/run-begin.ts',
  globalTeardown: '<rootDir>/test/run-end.ts',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.(ts|mjs)$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', explicitResourceManagement: true },
          target: 'es2022',
        },
        module: { type: 'commonjs' },
      },
    ],
  },
  sandboxInjectedGlobals: QUICK_GLOBALS,
  testSequencer: '<rootDir>/test/longest-first.mjs',
  // For two cores: of three suites there is about one that waits.
  maxWorkers: 3,
  // Many tests start whole swarms, and machines are busy: a test that hangs is noticed soon enough.
  testTimeout: 60_000,
  // A test that leaves something open is to be repaired, not cut off.
  forceExit: false,
};
