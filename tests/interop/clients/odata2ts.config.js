// The generator asks the gateway for $metadata itself. Without METADATA_FORMAT it sends what its HTTP client sends.
const { API_KEY, METADATA_FORMAT, SERVICE_ROOT } = process.env;

module.exports = {
  mode: 3, // all: models, query objects, services
  emitMode: "ts",
  sourceUrlConfig: {
    custom: {
      headers: { Authorization: `Bearer ${API_KEY}`, ...(METADATA_FORMAT ? { Accept: METADATA_FORMAT } : {}) },
    },
  },
  services: { sandbox: { sourceUrl: SERVICE_ROOT, source: "metadata.xml", output: "generated" } },
};
