/**
 * The import rules of docs/architecture.md. Each has a fixture under tests/fixtures/boundaries/ that breaks it, and
 * tests/boundaries.test.ts proves that it is caught.
 */
const ours = '^(adapters|api|bench|bin|connectors|core|monitoring|scripts|stack|stream-processors|sync-manager|tests|web)/';
const testFile = '\\.test\\.ts$';
/** What may look anywhere: tests, benchmarks, and the wiring. */
const anywhere = ['^(bin|tests|bench)/', testFile];

function rule(name, comment, from, to) {
  return { name, severity: 'error', comment, from, to };
}

/** A third-party client is known in one place, so that it can be replaced there. */
function clientStaysIn(name, packages, places) {
  return rule(
    name,
    `${packages.join(', ')} may be imported in ${places.join(' and ')} only`,
    { pathNot: [...places.map((place) => `^${place}/`), ...anywhere] },
    { path: packages.map((client) => `(^|/)node_modules/${client}/`) },
  );
}

module.exports = {
  forbidden: [
    rule(
      'core-is-pure',
      'core imports core, zod, and the parts of Node that touch nothing outside',
      { path: '^core/', pathNot: testFile },
      { pathNot: ['^core/', '^(node:)?(assert(\\/strict)?|buffer|crypto)$', '(^|/)node_modules/zod/'] },
    ),
    rule(
      'stages-are-strangers',
      'connectors, stream-processors, sync-manager and api know core and themselves',
      { path: '^(connectors|stream-processors|sync-manager|api)/', pathNot: testFile },
      { path: ours, pathNot: '^(core|$1)/' },
    ),
    rule(
      'connectors-are-strangers',
      'a connector knows no other connector; tables is the engine of those that poll, mysql the client of those whose data lie there',
      { path: '^connectors/([^/]+)/', pathNot: testFile },
      { path: '^connectors/[^/]+/', pathNot: ['^connectors/$1/', '^connectors/(tables|mysql)/'] },
    ),
    rule(
      'adapters-know-core-only',
      'an adapter knows core and itself',
      { path: '^adapters/([^/]+)/', pathNot: testFile },
      { path: ours, pathNot: ['^core/', '^adapters/$1/'] },
    ),
    rule(
      'monitoring-knows-core-only',
      'monitoring knows core and itself',
      { path: '^monitoring/', pathNot: testFile },
      { path: ours, pathNot: '^(core|monitoring)/' },
    ),
    rule(
      'stack-knows-core-only',
      'the stack brings parts up and knows nothing of what runs on them',
      { path: '^stack/', pathNot: testFile },
      { path: ours, pathNot: '^(core|stack)/' },
    ),
    rule('web-is-alone', 'the admin talks to the API over HTTP', { path: '^web/' }, { path: ours, pathNot: '^web/' }),
    rule('nobody-imports-bin', 'bin wires the parts; the parts do not know it', { pathNot: anywhere }, { path: '^bin/' }),
    rule('nobody-imports-a-test', 'a test is imported by nobody', {}, { path: testFile }),
    rule(
      'product-is-free-of-test-code',
      'the product does not need its tests or benchmarks',
      { pathNot: ['^(tests|bench)/', testFile] },
      { path: '^(tests|bench)/' },
    ),
    clientStaysIn('kafka-clients-stay-home', ['kafkajs', '@platformatic/kafka', 'lz4-napi'], ['adapters/kafka']),
    clientStaysIn('redis-client-stays-home', ['ioredis'], ['adapters/redis']),
    clientStaysIn(
      'postgres-client-stays-home',
      ['pg', '@types/pg'],
      ['adapters/postgres', 'connectors/postgres', 'stack', 'examples'],
    ),
    clientStaysIn('firebird-client-stays-home', ['node-firebird'], ['connectors/firebird', 'examples']),
    clientStaysIn('mysql-client-stays-home', ['mysql2'], ['connectors/mysql']),
    clientStaysIn('sqlserver-client-stays-home', ['mssql', '@types/mssql', 'tedious'], ['connectors/sqlserver']),
    clientStaysIn('registry-client-stays-home', ['@kafkajs/confluent-schema-registry'], ['adapters/schema-registry']),
    clientStaysIn('express-stays-home', ['express', '@types/express'], ['api', 'connectors/http']),
    clientStaysIn('prometheus-client-stays-home', ['prom-client'], ['monitoring']),
    clientStaysIn('winston-stays-home', ['winston'], ['adapters/process']),
    rule(
      'no-cycles',
      'modules that need each other are one module',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    ),
    rule('imports-resolve', 'what is imported exists', {}, { couldNotResolve: true }),
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(tests/fixtures/|node_modules/\\.cache/)' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};
