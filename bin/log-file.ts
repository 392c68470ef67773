import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';

export interface LogFileLimits {
  /** A file that has reached this size becomes `….1`, and a new one is begun. */
  readonly bytesMax: number;
  /** How many older files stay beside it. */
  readonly filesKept: number;
}

const lineEnd = 0x0a;

/** A log that never takes more than `bytesMax * (filesKept + 1)`. A full disk costs log lines, not the process. */
export class LogFile extends Writable {
  readonly #path: string;
  readonly #limits: LogFileLimits;
  #bytes: number;
  #unfinished: Buffer = Buffer.alloc(0);

  constructor(path: string, limits: LogFileLimits) {
    super({ decodeStrings: true });
    this.#path = path;
    this.#limits = limits;
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.#removeSurplus();
    } catch {
      // Told by the lines that are missing; whoever named the folder has checked it.
    }
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const text = Buffer.concat([this.#unfinished, chunk]);
    const whole = text.length > this.#limits.bytesMax ? text.length : text.lastIndexOf(lineEnd) + 1;
    this.#unfinished = text.subarray(whole);
    this.#append(text.subarray(0, whole));
    done();
  }

  override _final(done: () => void): void {
    this.#append(this.#unfinished);
    done();
  }

  /** A line stays in one file, unless it alone is larger than one. */
  #append(lines: Buffer): void {
    let rest = lines;
    try {
      for (;;) {
        const room = this.#limits.bytesMax - this.#bytes;
        if (rest.length <= room) break;
        const whole = rest.subarray(0, Math.max(room, 0)).lastIndexOf(lineEnd) + 1;
        const fits = this.#bytes === 0 && whole === 0 ? room : whole;
        this.#write(rest.subarray(0, fits));
        this.#rotate();
        rest = rest.subarray(fits);
      }
      this.#write(rest);
    } catch {
      // These lines are lost.
    }
  }

  #write(bytes: Buffer): void {
    if (bytes.length === 0) return;
    writeFileSync(this.#path, bytes, { flag: 'a' });
    this.#bytes += bytes.length;
  }

  /** Fewer may be wanted than a run before kept. */
  #removeSurplus(): void {
    for (let number = this.#limits.filesKept + 1; existsSync(`${this.#path}.${number}`); number++) {
      rmSync(`${this.#path}.${number}`);
    }
  }

  #rotate(): void {
    const { filesKept } = this.#limits;
    if (filesKept === 0) rmSync(this.#path, { force: true });
    for (let number = filesKept; number > 0; number--) {
      const newer = number === 1 ? this.#path : `${this.#path}.${number - 1}`;
      if (existsSync(newer)) renameSync(newer, `${this.#path}.${number}`);
    }
    this.#bytes = 0;
  }
}
