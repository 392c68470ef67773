import { EngineError } from './engine.ts';

/** As SQL Server refuses something. */
export class ServerError extends Error {
  readonly number: number;
  readonly severity: number;

  constructor(number: number, message: string, severity = 16) {
    super(message);
    this.number = number;
    this.severity = severity;
  }
}

/** What the engine refuses, in SQL Server's numbers and words. */
export function serverErrorOf(error: unknown, database: string): ServerError {
  if (error instanceof ServerError) return error;
  if (!(error instanceof EngineError)) return new ServerError(50_000, error instanceof Error ? error.message : String(error));
  const named = (pattern: RegExp) => pattern.exec(error.message)?.[1] ?? '';
  switch (error.number) {
    case 42_102:
    case 42_103:
    case 42_104:
      return new ServerError(208, `Invalid object name '${named(/Table "([^"]*)"/)}'.`);
    case 42_122:
      return new ServerError(207, `Invalid column name '${named(/Column "([^"]*)"/).replace(/^.*\./, '')}'.`);
    case 90_096: {
      const object = named(/object "([^"]*(?:"?\."?[^"]*)*)"/)
        .replace(/^.*\./, '')
        .replaceAll('"', '');
      return new ServerError(
        229,
        `The SELECT permission was denied on the object '${object}', database '${database}', schema 'dbo'.`,
        14,
      );
    }
    case 23_505:
      return new ServerError(2_627, 'Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object.', 14);
    case 23_502:
      return new ServerError(
        515,
        `Cannot insert the value NULL into column '${named(/column "([^"]*)"/)}'; column does not allow nulls.`,
      );
    case 22_018:
      return new ServerError(245, `Conversion failed when converting the nvarchar value: ${error.message}`);
    case 22_007:
      return new ServerError(241, 'Conversion failed when converting date and/or time from character string.');
    case 22_003:
      return new ServerError(8_115, 'Arithmetic overflow error converting expression to data type.');
    case 50_200:
      return new ServerError(
        1_205,
        'Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim.',
        13,
      );
    case 42_000:
    case 42_001:
      return new ServerError(102, `Incorrect syntax: ${error.message}`, 15);
    default:
      return new ServerError(50_000, `${error.number}: ${error.message}`);
  }
}
