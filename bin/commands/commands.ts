import type { Command } from 'commander';
import { addAcceptGapCommand } from './accept-gap.ts';
import { addDlqCommand } from './dlq.ts';
import { addInitDbCommand } from './init-db.ts';
import { addStartCommand } from './start.ts';
import { addStatusCommand } from './status.ts';
import { addValidateCommand } from './validate.ts';

export function addCommands(program: Command): void {
  addStartCommand(program);
  addInitDbCommand(program);
  addValidateCommand(program);
  addStatusCommand(program);
  addDlqCommand(program);
  addAcceptGapCommand(program);
}
