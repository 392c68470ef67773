import { metricCatalogue } from '../../monitoring/metric-catalogue.ts';

const introduction = `# Metrics

\`GET /metrics\` shows these in Prometheus' text format, for all processes at once. Every one also carries the label \`role\`:
the process it comes from. Beside them stand the process metrics of prom-client (\`process_*\`, \`nodejs_*\`).

Those marked *rows* are kept in the table \`sync_metrics\` too; of a histogram its \`_count\`, \`_sum\`, \`_p50\` and \`_p99\`.`;

export function metricsPage(): string {
  const entries = Object.entries(metricCatalogue).map(([name, metric]) => {
    const labels = metric.labels.length === 0 ? 'none' : metric.labels.map((label) => `\`${label}\``).join(', ');
    const lines = [`- ${metric.type}${metric.rows ? ', *rows*' : ''}`, `- labels: ${labels}`];
    if ('buckets' in metric) lines.push(`- buckets: ${metric.buckets.join(', ')}`);
    return `## \`${name}\`\n\n${metric.help}\n\n${lines.join('\n')}`;
  });
  return [introduction, ...entries].join('\n\n').concat('\n');
}
