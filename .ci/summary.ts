import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: readonly { status: string; fullName: string; failureMessages: readonly string[] }[];
  }[];
}

const messageLines = 12;

/** Adds the test reports up, and says last what failed; a step that failed, or a report that is missing, counts as one failure more. */
const [failedStep, ...reports] = process.argv.slice(2);
let passed = 0;
let failed = failedStep === '0' ? 0 : 1;
for (const file of reports) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    tell(report);
  } catch {
    failed++;
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

function tell({ testResults }: Report): void {
  for (const { name, message, assertionResults } of testResults) {
    const failures = assertionResults.filter(({ status }) => status === 'failed');
    const file = relative(process.cwd(), name);
    for (const { fullName, failureMessages } of failures) say(`FAILED ${file}: ${fullName}`, failureMessages.join('\n'));
    if (failures.length === 0 && message) say(`FAILED ${file}`, message);
  }
}

function say(title: string, message: string): void {
  process.stdout.write(`${title}\n${message.split('\n').slice(0, messageLines).join('\n')}\n`);
}
