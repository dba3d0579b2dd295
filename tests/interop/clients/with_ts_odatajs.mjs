// ts-odatajs, the client of Apache Olingo. Arguments: service root, API key, key of a listing.
import odatajs from "ts-odatajs";
import source from "ts-odatajs/lib/cache/source.js";

const [root, key, listing] = process.argv.slice(2);
const chosen = "City eq 'San José' or BedroomsTotal ge 5";

/** The client's own way to the network, with the header that it has no setting for. */
const httpClient = {
  ...odatajs.oData.net.defaultHttpClient,
  request: (request, success, error) => {
    request.headers.Authorization = `Bearer ${key}`;
    return odatajs.oData.net.defaultHttpClient.request(request, success, error);
  },
};
const read = (requestUri, { handler, model } = {}) =>
  new Promise((resolve, reject) => {
    odatajs.oData.read({ requestUri }, resolve, reject, handler, httpClient, model);
  });
const query = (path, options) =>
  `${root}/${path}?${Object.entries(options)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&")}`;

/** What is below the client's cache: it counts with $count and reads ranges with $skip and $top, following links.
 * The cache above it needs a browser. */
const ranges = (uri) => {
  const below = new source.ODataCacheSource({ source: uri, httpClient });
  return {
    count: () => new Promise((resolve, reject) => below.count(resolve, reject)),
    read: (index, count) => new Promise((resolve, reject) => below.read(index, count, resolve, reject)),
  };
};

const model = await read(`${root}/$metadata`, { handler: odatajs.oData.metadataHandler });
const [schema] = model.dataServices.schema;
const rows = await ranges(
  query("Property", {
    $filter: chosen,
    $select: "ListingKey,City,BedroomsTotal,ListPrice",
    $orderby: "BedroomsTotal desc,ListingKey",
  })
).read(0, 10);
const withMedia = await read(
  query("Property", { $select: "ListingKey", $orderby: "ListingKey", $top: 5, $expand: "Media($select=MediaKey)" })
);
// With a model the client finds the type of an answer by its context, and gives each record an address.
const typed = await read(
  query("Property", { $filter: `ListingKey eq '${listing.replaceAll("'", "''")}'`, $select: "ListingKey" }),
  { model }
);
const refused = await read(query("Property", { $filter: "OwnerName ne null", $top: 1 })).then(
  () => null,
  (error) => [error.response.statusCode, JSON.parse(error.response.body).error.code]
);

console.log(
  JSON.stringify({
    sets: schema.entityContainer.entitySet.map((entry) => entry.name),
    fields: schema.entityType.find((kind) => kind.name === "Property").property.map((field) => field.name),
    rows: rows.value,
    keys: (await ranges(query("Property", { $select: "ListingKey" })).read(0, 1000)).value.map((row) => row.ListingKey),
    record: await read(typed.value[0]["@odata.id"]),
    media: Object.fromEntries(withMedia.value.map((row) => [row.ListingKey, row.Media.map((media) => media.MediaKey)])),
    count: Number(await read(query("Property/$count", { $filter: chosen }))),
    all: await ranges(`${root}/Property`).count(),
    refused,
  })
);
