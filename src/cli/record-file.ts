/**
 * Records of a file, in pieces that fit into memory: a JSON array, JSON lines, or CSV with a heading, whose fields are
 * texts. A line that can't be read is a fault of its own and doesn't end the reading.
 */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { CsvReader, type CsvRow } from './csv.js';
import { EXIT, failure, messageOf } from './exit.js';

export type RecordFormat = 'json' | 'jsonl' | 'csv';

export interface FileRecord {
  /** Undefined if it can't be read. */
  readonly record: unknown;
  readonly fault: string | null;
  /** Where it stands: `line 7`, `record 7`. */
  readonly where: string;
}

export interface RecordChunk {
  readonly records: readonly FileRecord[];
  /** Which part of the file has been read with this, 0 to 1; 0 throughout if nobody knows its size. */
  readonly fraction: number;
}

export interface RecordFile {
  readonly path: string;
  readonly format: RecordFormat;
  readonly delimiter: string;
}

const LINE_CHARS_MAX = 64 * 1024 * 1024;
const CHUNK_RECORDS = 1000;

const FORMATS: Readonly<Record<string, RecordFormat>> = {
  '.json': 'json',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
};

/** The format that the name of the file promises. */
export function formatOf(path: string): RecordFormat | undefined {
  return FORMATS[extname(path).toLowerCase()];
}

/** Path `-` reads from `stdin`. Throws a Failure if the file can't be read at all. */
export async function* readRecords(file: RecordFile, stdin: NodeJS.ReadableStream): AsyncGenerator<RecordChunk> {
  const bytes = file.path === '-' ? 0 : fileBytes(file.path);
  if (file.format === 'json') {
    yield* jsonRecords(file.path, file.path === '-' ? await textOf(stdin) : readFileSync(file.path, 'utf8'));
    return;
  }
  const stream = file.path === '-' ? stdin : createReadStream(file.path);
  const read = file.format === 'jsonl' ? lineReader() : csvReader(file);
  const decoder = new TextDecoder();
  let bytesRead = 0;
  for await (const piece of stream) {
    const part = typeof piece === 'string' ? Buffer.from(piece) : piece;
    bytesRead += part.length;
    const records = read(decoder.decode(part, { stream: true }), false);
    yield { records, fraction: bytes === 0 ? 0 : Math.min(1, bytesRead / bytes) };
  }
  yield { records: read(decoder.decode(), true), fraction: bytes === 0 ? 0 : 1 };
}

function fileBytes(path: string): number {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new Error('it is a folder');
    return stat.size;
  } catch (error) {
    throw failure(EXIT.usage, `${path} can't be read (${messageOf(error).replace(/,.*/s, '')})`);
  }
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('utf8');
}

function* jsonRecords(path: string, text: string): Generator<RecordChunk> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw failure(EXIT.failed, `${path} is no JSON (${messageOf(error)}): for one record per line use --format jsonl`);
  }
  if (!Array.isArray(json))
    throw failure(EXIT.failed, `${path} holds no array: for one record per line use --format jsonl`);
  for (let from = 0; from < json.length; from += CHUNK_RECORDS) {
    const records = json
      .slice(from, from + CHUNK_RECORDS)
      .map((record: unknown, i): FileRecord => ({ record, fault: null, where: `record ${from + i + 1}` }));
    yield { records, fraction: Math.min(1, (from + records.length) / json.length) };
  }
}

type Read = (text: string, isEnd: boolean) => FileRecord[];

function lineReader(): Read {
  let rest = '';
  let line = 0;
  return (text, isEnd) => {
    const lines = (rest + text).split('\n');
    rest = isEnd ? '' : lines.pop()!;
    if (rest.length > LINE_CHARS_MAX)
      throw failure(EXIT.failed, `line ${line + 1} is longer than 64 MiB: is this a file of JSON lines?`);
    return lines.flatMap((content) => {
      line += 1;
      const json = line === 1 ? content.replace(/^\uFEFF/, '') : content;
      return json.trim() === '' ? [] : [lineRecord(json, `line ${line}`)];
    });
  };
}

function lineRecord(json: string, where: string): FileRecord {
  try {
    return { record: JSON.parse(json), fault: null, where };
  } catch (error) {
    return { record: undefined, fault: `no JSON (${messageOf(error)})`, where };
  }
}

function csvReader({ path, delimiter }: RecordFile): Read {
  const reader = new CsvReader(delimiter);
  let names: readonly string[] | undefined;
  return (text, isEnd) => {
    let rows: CsvRow[];
    try {
      rows = [...reader.push(text), ...(isEnd ? reader.end() : [])];
    } catch (error) {
      throw failure(EXIT.failed, `${path}: ${messageOf(error)}`);
    }
    if (names === undefined) {
      names = rows.shift()?.fields;
      const twice = names?.find((name, i) => names!.indexOf(name) !== i);
      if (twice !== undefined) throw failure(EXIT.failed, `${path}: the heading names ${JSON.stringify(twice)} twice`);
    }
    return rows.map((row) => csvRecord(names ?? [], row));
  };
}

function csvRecord(names: readonly string[], { fields, line }: CsvRow): FileRecord {
  const where = `line ${line}`;
  if (fields.length !== names.length)
    return { record: undefined, fault: `${fields.length} fields where the heading has ${names.length}`, where };
  return { record: Object.fromEntries(names.map((name, i) => [name, fields[i]])), fault: null, where };
}

/** All of them again, after the first was looked at. */
export async function* withFirst(
  first: IteratorResult<RecordChunk, void>,
  others: AsyncIterable<RecordChunk>,
): AsyncGenerator<RecordChunk> {
  if (first.done !== true) yield first.value;
  yield* others;
}
