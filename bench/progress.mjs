// Tells how far a run is: on a terminal by one line that is written over and over, elsewhere by a line every few seconds.

const LINE_EVERY_MS = 5_000;

export function createProgress(stream, total, now = Date.now) {
  const startedAt = now();
  let done = 0;
  let lastLineAt = -Infinity;
  return {
    /** The next step of this section begins. */
    step(section, what) {
      const left = done === 0 ? '' : `, ${timeText(((now() - startedAt) / done) * (total - done))} left`;
      const text = `${done}/${total}${left}: ${section}: ${what}`;
      if (stream.isTTY) stream.write(`\r\x1b[K${text.slice(0, (stream.columns ?? 80) - 1)}`);
      else if (now() - lastLineAt >= LINE_EVERY_MS) {
        stream.write(`${text}\n`);
        lastLineAt = now();
      }
      done++;
    },
    end() {
      if (stream.isTTY) stream.write('\r\x1b[K');
    },
  };
}

function timeText(ms) {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}
