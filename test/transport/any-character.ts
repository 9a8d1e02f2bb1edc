import fc from 'fast-check';

const SURROGATES_FROM = 0xd800;
const SURROGATES = 0x800;

/**
 * Any character of Unicode, for `fc.string({ unit: anyCharacter })`: the same as `unit: 'binary'`, which first makes a table
 * of all 1,112,064 of them, a second of each suite. Told how to go back, fast-check mixes in its dangerous strings as well.
 */
export const anyCharacter: fc.Arbitrary<string> = fc.integer({ min: 0, max: 0x10ffff - SURROGATES }).map(
  (index) => String.fromCodePoint(index < SURROGATES_FROM ? index : index + SURROGATES),
  (character) => {
    const code = typeof character === 'string' ? character.codePointAt(0) : undefined;
    if (code === undefined || String.fromCodePoint(code) !== character || /\p{Surrogate}/u.test(character))
      throw new Error('not one character');
    return code < SURROGATES_FROM ? code : code - SURROGATES;
  },
);
