// Tells how far a run is: on a terminal by one line that is written over and over, elsewhere by a line per case.

export function createProgress(stream, total) {
  const startedAt = Date.now();
  let done = 0;
  let lastCase = '';
  return {
    /** The next measurement begins. */
    step(caseText, what) {
      if (stream.isTTY) {
        const left = done === 0 ? '' : `, ${timeText(((Date.now() - startedAt) / done) * (total - done))} left`;
        stream.write(`\r\x1b[K${done}/${total} ${caseText}: ${what}${left}`);
      } else if (caseText !== lastCase) {
        stream.write(`${caseText} (${done}/${total})\n`);
        lastCase = caseText;
      }
      done++;
    },
    /** Something before or after the measurements. */
    say(text) {
      stream.write(stream.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
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
