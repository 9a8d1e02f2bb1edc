/**
 * A reader of CSV as RFC 4180 has it: fields may stand in quotes, and may then hold delimiters, line breaks and doubled
 * quotes. Text comes in pieces, cut anywhere. Line breaks may be CRLF, LF or CR; a quote inside a field that does not
 * begin with one is taken as it is; blank lines are skipped. What can't be read is an error with its line.
 */

/** A field larger than this means that a quote was never closed. */
const FIELD_CHARS_MAX = 16 * 1024 * 1024;

export interface CsvRow {
  readonly fields: readonly string[];
  /** Where it begins, from 1. */
  readonly line: number;
}

type Status = 'fieldStart' | 'plain' | 'quoted' | 'quoteInQuoted';

export class CsvReader {
  readonly #delimiter: string;
  /** What ends a run of characters that are taken as they are. */
  readonly #plainEnd: RegExp;
  readonly #quotedEnd = /["\r\n]/g;
  #status: Status = 'fieldStart';
  #field = '';
  #fields: string[] = [];
  #line = 1;
  #rowLine = 1;
  #quoteLine = 1;
  #isAfterReturn = false;
  #isAtStart = true;

  /** The delimiter is one character. */
  constructor(delimiter = ',') {
    this.#delimiter = delimiter;
    this.#plainEnd = new RegExp(`[\\r\\n\\u${delimiter.charCodeAt(0).toString(16).padStart(4, '0')}]`, 'g');
  }

  /** The rows that this piece completes. */
  push(text: string): CsvRow[] {
    const rows: CsvRow[] = [];
    let from = 0;
    if (this.#isAtStart && text !== '') {
      this.#isAtStart = false;
      if (text.startsWith('\uFEFF')) from = 1;
    }
    for (let i = from; i < text.length; i++) {
      const char = text[i]!;
      if (this.#isAfterReturn) {
        this.#isAfterReturn = false;
        // The line feed of a CRLF, whose carriage return has ended the row, or has been counted as a line.
        if (char === '\n') {
          if (this.#status === 'quoted') this.#field += char;
          continue;
        }
      }
      const end = this.#runEnd(text, i);
      if (end > i) {
        this.#field += text.slice(i, end);
        i = end - 1;
      } else this.#take(char, rows);
    }
    if (this.#field.length > FIELD_CHARS_MAX)
      throw new Error(`line ${this.#quoteLine}: a field of more than 16 MiB: is its quote closed?`);
    return rows;
  }

  /** The last row, if the text did not end with a line break. */
  end(): CsvRow[] {
    if (this.#status === 'quoted') throw new Error(`line ${this.#quoteLine}: the quote is never closed`);
    const rows: CsvRow[] = [];
    if (this.#fields.length > 0 || this.#field !== '' || this.#status !== 'fieldStart') this.#endRow(rows);
    return rows;
  }

  /** Where the run of plain characters ends that begins here; here, if there is none. */
  #runEnd(text: string, from: number): number {
    if (this.#status !== 'plain' && this.#status !== 'quoted') return from;
    const end = this.#status === 'plain' ? this.#plainEnd : this.#quotedEnd;
    end.lastIndex = from;
    return end.exec(text)?.index ?? text.length;
  }

  #take(char: string, rows: CsvRow[]): void {
    const isBreak = char === '\n' || char === '\r';
    if (isBreak) this.#isAfterReturn = char === '\r';
    if (this.#status === 'quoted') {
      if (isBreak) this.#line += 1;
      if (char === '"') this.#status = 'quoteInQuoted';
      else this.#field += char;
    } else if (this.#status === 'quoteInQuoted' && char === '"') {
      this.#field += char;
      this.#status = 'quoted';
    } else if (char === this.#delimiter) {
      this.#endField();
    } else if (isBreak) {
      this.#endRow(rows);
    } else if (this.#status === 'quoteInQuoted') {
      throw new Error(
        `line ${this.#line}: after a closing quote comes a delimiter or the end of the line, not ${char}`,
      );
    } else if (this.#status === 'fieldStart' && char === '"') {
      this.#status = 'quoted';
      this.#quoteLine = this.#line;
    } else {
      this.#field += char;
      this.#status = 'plain';
    }
  }

  #endField(): void {
    this.#fields.push(this.#field);
    this.#field = '';
    this.#status = 'fieldStart';
  }

  #endRow(rows: CsvRow[]): void {
    const isBlank = this.#fields.length === 0 && this.#status === 'fieldStart';
    this.#endField();
    if (!isBlank) rows.push({ fields: this.#fields, line: this.#rowLine });
    this.#fields = [];
    this.#line += 1;
    this.#rowLine = this.#line;
  }
}
