/** What a client of TDS 7.4 sends, as MS-TDS has it. */
export const packetType = { batch: 1, rpc: 3, response: 4, attention: 6, transaction: 14, login: 16, prelogin: 18 } as const;

const headerBytes = 8;

export interface Message {
  readonly type: number;
  readonly body: Buffer;
}

/** Puts packets together to messages. */
export class MessageReader {
  #buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];

  *read(chunk: Buffer): Generator<Message> {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#buffer.length >= headerBytes) {
      const length = this.#buffer.readUInt16BE(2);
      if (this.#buffer.length < length) return;
      const [type, status] = this.#buffer;
      this.#parts.push(this.#buffer.subarray(headerBytes, length));
      this.#buffer = this.#buffer.subarray(length);
      const isLast = (status! & 1) === 1;
      if (!isLast) continue;
      const body = Buffer.concat(this.#parts);
      this.#parts = [];
      yield { type: type!, body };
    }
  }
}

export interface Login {
  readonly user: string;
  readonly password: string;
  readonly program: string;
  readonly database: string;
  readonly packetBytes: number;
}

export function loginFrom(body: Buffer): Login {
  const bytesAt = (at: number) => {
    const offset = body.readUInt16LE(at);
    return body.subarray(offset, offset + body.readUInt16LE(at + 2) * 2);
  };
  const textAt = (at: number) => bytesAt(at).toString('utf16le');
  // Every byte of a password is turned around and mixed with A5.
  const password = Buffer.from(bytesAt(44).map((byte) => (((byte ^ 0xa5) << 4) & 0xf0) | ((byte ^ 0xa5) >> 4)));
  return {
    user: textAt(40),
    password: password.toString('utf16le'),
    program: textAt(48),
    database: textAt(68),
    packetBytes: body.readUInt32LE(8),
  };
}

export interface Batch {
  readonly sql: string;
  /** By name in small letters, with the @. */
  readonly parameters: ReadonlyMap<string, string | Buffer | null>;
}

export function batchFrom(body: Buffer): Batch {
  return { sql: body.subarray(body.readUInt32LE(0)).toString('utf16le'), parameters: new Map() };
}

/** A procedure of the server's own, with what it is given in order. */
export interface Call {
  readonly procedure: 'executesql' | 'prepare' | 'execute' | 'unprepare';
  readonly values: readonly CallValue[];
}

export interface CallValue {
  readonly name: string;
  readonly value: string | Buffer | null;
}

const procedures: Readonly<Record<string | number, Call['procedure']>> = {
  10: 'executesql',
  11: 'prepare',
  12: 'execute',
  15: 'unprepare',
  sp_executesql: 'executesql',
  sp_prepare: 'prepare',
  sp_execute: 'execute',
  sp_unprepare: 'unprepare',
};

export function callFrom(body: Buffer): Call {
  const reader = new ValueReader(body, body.readUInt32LE(0));
  const nameLength = reader.short();
  const named = nameLength === 0xffff ? reader.short() : reader.text(nameLength);
  const procedure = procedures[named];
  if (procedure === undefined) throw new Error(`the double knows no procedure ${named}`);
  reader.short();
  const values: CallValue[] = [];
  while (!reader.atEnd) values.push(reader.parameter());
  return { procedure, values };
}

export function parametersFrom(values: readonly CallValue[]): Batch['parameters'] {
  return new Map(values.map(({ name, value }) => [name.toLowerCase(), value]));
}

const type = { nvarchar: 0xe7, varchar: 0xa7, varbinary: 0xa5, int: 0x26, bit: 0x68, float: 0x6d } as const;

class ValueReader {
  readonly #body: Buffer;
  #at: number;

  constructor(body: Buffer, at: number) {
    this.#body = body;
    this.#at = at;
  }

  get atEnd(): boolean {
    return this.#at >= this.#body.length;
  }

  byte(): number {
    return this.#body[this.#at++]!;
  }

  short(): number {
    this.#at += 2;
    return this.#body.readUInt16LE(this.#at - 2);
  }

  text(characters: number): string {
    return this.#bytes(characters * 2).toString('utf16le');
  }

  parameter(): { name: string; value: string | Buffer | null } {
    const name = this.text(this.byte());
    this.byte();
    return { name, value: this.#value(this.byte()) };
  }

  #value(code: number): string | Buffer | null {
    switch (code) {
      case type.nvarchar:
      case type.varchar:
      case type.varbinary: {
        const max = this.short();
        if (code !== type.varbinary) this.#bytes(5);
        const bytes = max === 0xffff ? this.#chunks() : this.#sized();
        if (bytes === null || code === type.varbinary) return bytes;
        return bytes.toString(code === type.nvarchar ? 'utf16le' : 'latin1');
      }
      case type.int:
      case type.bit:
      case type.float: {
        this.byte();
        const bytes = this.#bytes(this.byte());
        if (bytes.length === 0) return null;
        if (code === type.float) return String(bytes.length === 8 ? bytes.readDoubleLE() : bytes.readFloatLE());
        return String(bytes.length === 8 ? bytes.readBigInt64LE() : bytes.readIntLE(0, bytes.length));
      }
      default:
        throw new Error(`the double takes no parameters of the type 0x${code.toString(16)}`);
    }
  }

  #sized(): Buffer | null {
    const length = this.short();
    return length === 0xffff ? null : this.#bytes(length);
  }

  /** Of unknown or announced length, in parts; an empty part ends it. */
  #chunks(): Buffer | null {
    const announced = this.#body.readBigUInt64LE(this.#at);
    this.#at += 8;
    if (announced === 0xffffffffffffffffn) return null;
    const parts: Buffer[] = [];
    for (;;) {
      this.#at += 4;
      const length = this.#body.readUInt32LE(this.#at - 4);
      if (length === 0) return Buffer.concat(parts);
      parts.push(this.#bytes(length));
    }
  }

  #bytes(length: number): Buffer {
    this.#at += length;
    return this.#body.subarray(this.#at - length, this.#at);
  }
}
