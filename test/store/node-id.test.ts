import { describe, expect, it } from '@jest/globals';
import { drawNodeId, parseNodeId } from '../../src/store/node-id.js';

function draws(...words: number[]): { uint32(): number } {
  return { uint32: () => words.shift() ?? 1 };
}

describe('node ids', () => {
  it('take 60 bits of chance', () => {
    expect(drawNodeId(draws(0xffffffff, 0x80000000))).toBe('~~~~~W');
    expect(drawNodeId(draws(4, 4))).toBe('0000100001');
  });

  it('are drawn again if the text has a meaning of its own', () => {
    const all = 0xffffffff;
    expect(drawNodeId(draws(0, 0, (63 << 26) >>> 0, 0, all, all, 4, 0))).toBe('00001');
  });

  it.each(['A', 'Xgritzk0_D', '0000000001', '~~'])('reads %s', (text) => {
    expect(parseNodeId(text)).toBe(text);
  });

  it.each(['', '0', '~', '~~~~~~~~~~', 'A0', 'A-B', 'node.1'])('refuses %j', (text) => {
    expect(parseNodeId(text)).toBeNull();
  });
});
