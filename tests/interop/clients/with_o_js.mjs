// o.js. Arguments: service root, API key, key of a listing.
import { o } from "odata";

const [root, key, listing] = process.argv.slice(2);
const client = o("", { rootUrl: `${root}/`, headers: { Authorization: `Bearer ${key}` } });
const chosen = "City eq 'San José' or BedroomsTotal ge 5";

/** The client leaves links to its user: `fetch` gives the answer as it is, and `get` takes any address. */
async function all(resource, query) {
  const rows = [];
  let page = await (await client.get(resource).fetch(query)).json();
  for (;;) {
    rows.push(...page.value);
    const link = page["@odata.nextLink"];
    if (link === undefined) return rows;
    page = await (await client.get(link).fetch()).json();
  }
}

const withMedia = await client
  .get("Property")
  .query({ $select: "ListingKey", $orderby: "ListingKey", $top: 5, $expand: "Media($select=MediaKey)" });
const refused = await client
  .get("Property")
  .query({ $filter: "OwnerName ne null", $top: 1 })
  .then(
    () => null,
    async (answer) => [answer.status, (await answer.json()).error.code]
  );

console.log(
  JSON.stringify({
    sets: (await client.get("").query()).map((entry) => entry.name),
    rows: await all("Property", {
      $filter: chosen,
      $select: "ListingKey,City,BedroomsTotal,ListPrice",
      $orderby: "BedroomsTotal desc,ListingKey",
      $top: 10,
    }),
    keys: (await all("Property", { $select: "ListingKey" })).map((row) => row.ListingKey),
    record: await client.get(`Property('${encodeURIComponent(listing.replaceAll("'", "''"))}')`).query(),
    media: Object.fromEntries(withMedia.map((row) => [row.ListingKey, row.Media.map((media) => media.MediaKey)])),
    count: await client.get("Property/$count").query({ $filter: chosen }),
    refused,
  })
);
