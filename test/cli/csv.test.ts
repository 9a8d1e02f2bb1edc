import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CsvReader } from '../../src/cli/csv.js';

function read(text: string, delimiter = ','): readonly (readonly string[])[] {
  const reader = new CsvReader(delimiter);
  return [...reader.push(text), ...reader.end()].map(({ fields }) => fields);
}

describe('CSV', () => {
  it.each<[string, string, string[][]]>([
    [
      'two rows',
      'a,b\nc,d\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'no line break at the end',
      'a,b\nc,d',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'CRLF',
      'a,b\r\nc,d\r\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'CR alone',
      'a,b\rc,d\r',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'empty fields',
      ',a,\n,,',
      [
        ['', 'a', ''],
        ['', '', ''],
      ],
    ],
    ['blank lines', '\n\na\n\r\n\nb\n\n', [['a'], ['b']]],
    ['an empty text in quotes is no blank line', 'a\n""\n', [['a'], ['']]],
    ['quotes', '"a","b c"\n', [['a', 'b c']]],
    ['a delimiter in quotes', '"a,b",c\n', [['a,b', 'c']]],
    [
      'line breaks in quotes',
      '"a\nb","c\r\nd"\r\ne,f',
      [
        ['a\nb', 'c\r\nd'],
        ['e', 'f'],
      ],
    ],
    ['doubled quotes', '"a ""b"" c",""""\n', [['a "b" c', '"']]],
    ['a quote inside of a plain field', 'a "b" c,5"\n', [['a "b" c', '5"']]],
    ['blanks are kept', ' a , b \n', [[' a ', ' b ']]],
    ['a byte order mark', '\uFEFFa,b\n', [['a', 'b']]],
    ['nothing', '', []],
  ])('%s', (_, text, rows) => expect(read(text)).toEqual(rows));

  it('takes another delimiter', () => {
    expect(read('a;"b;c";d,e\n', ';')).toEqual([['a', 'b;c', 'd,e']]);
    expect(read('a\tb\n', '\t')).toEqual([['a', 'b']]);
  });

  it('tells the line at which a row begins', () => {
    const reader = new CsvReader();
    const rows = [...reader.push('a\n"b\nc\r\nd",e\n\nf\n'), ...reader.end()];
    expect(rows.map(({ line }) => line)).toEqual([1, 2, 6]);
  });

  it('refuses text after a closing quote, with its line', () => {
    expect(() => read('a\n"b" c\n')).toThrow(/^line 2: after a closing quote .* not  $/);
  });

  it('refuses a quote that is never closed, with the line where it was opened', () => {
    expect(() => read('a\n"b\nc\n')).toThrow('line 2: the quote is never closed');
  });

  it('does not collect an endless field', () => {
    const reader = new CsvReader();
    reader.push('"');
    const piece = 'x'.repeat(2 ** 20);
    expect(() => {
      for (let i = 0; i < 20; i++) reader.push(piece);
    }).toThrow('more than 16 MiB');
  });

  it('reads what was written, however it is cut into pieces', () => {
    const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'ü') });
    const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 5 });
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(table, fc.constantFrom('\n', '\r\n', '\r'), fc.nat(), (rows, lineBreak, cut) => {
        const text = rows.map((row) => row.map(quoted).join(',') + lineBreak).join('');
        const at = cut % (text.length + 1);
        const reader = new CsvReader();
        const found = [...reader.push(text.slice(0, at)), ...reader.push(text.slice(at)), ...reader.end()];
        expect(found.map(({ fields }) => fields)).toEqual(rows);
      }),
    );
  });
});
