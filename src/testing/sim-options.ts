/** What the programs that simulate are told by their environment, and how they measure what they cost. */

/** A whole number; anything else ends the program with exit code 2. */
export const numberOption = (name: string, fallback: number): number => {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`sim: ${name} must be a whole number, not ${text}\n`);
  process.exit(2);
};

export const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Tells whether so many seconds have passed since now. */
export const deadline = (seconds: number): (() => boolean) => {
  const endMs = performance.now() + seconds * 1000;
  return () => performance.now() > endMs;
};
