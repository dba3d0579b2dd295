// The typed client that odata2ts made of the key's $metadata. Arguments: service root, API key, key of a listing.
import { FetchClient, FetchClientError } from "@odata2ts/http-client-fetch";
import { QEntityCollectionPath, QEntityPath } from "@odata2ts/odata-query-objects";
import { qProperty } from "./generated/QSandbox";
import { Media, Property } from "./generated/SandboxModel";
import { SandboxService } from "./generated/SandboxService";

interface Page<Row> {
  value: Array<Row>;
  "@odata.count"?: number;
  "@odata.nextLink"?: string;
}

async function main(root: string, key: string, listing: string): Promise<object> {
  const client = new FetchClient({ headers: { Authorization: `Bearer ${key}` } });
  const service = new SandboxService(client, root);

  /** The services know nothing of links; the client below them takes any address. */
  async function all<Row>(first: Page<Row>): Promise<Array<Row>> {
    const rows = [...first.value];
    for (let link = first["@odata.nextLink"]; link !== undefined; ) {
      const page: Page<Row> = (await client.get<Page<Row>>(link)).data;
      rows.push(...page.value);
      link = page["@odata.nextLink"];
    }
    return rows;
  }

  const chosen = await service
    .Property()
    .query<Pick<Property, "ListingKey" | "City" | "BedroomsTotal" | "ListPrice">>((builder, q) =>
      builder
        .filter(q.City.eq("San José").or(q.BedroomsTotal.ge(5)))
        .select("ListingKey", "City", "BedroomsTotal", "ListPrice")
        .orderBy(q.BedroomsTotal.desc(), q.ListingKey.asc())
        .top(10)
        .count()
    );
  const everything = await service.Property().query((builder) => builder.select("ListingKey"));
  const withMedia = await service
    .Property()
    .query<Pick<Property, "ListingKey"> & { Media?: Array<Media> }>((builder, q) =>
      builder
        .select("ListingKey")
        .orderBy(q.ListingKey.asc())
        .top(5)
        .expanding("Media", (media) => media.select("MediaKey"))
    );
  // The typed builder has no name for what the key's metadata does not tell of; an address of one's own does.
  const refused = await client.get(`${root}/Property?$filter=OwnerName%20ne%20null&$top=1`).then(
    () => null,
    (error: FetchClientError) => [error.status]
  );
  return {
    fields: Object.entries(qProperty)
      .filter(([, path]) => typeof path?.getPath === "function")
      .filter(([, path]) => !(path instanceof QEntityPath || path instanceof QEntityCollectionPath))
      .map(([name]) => name),
    rows: await all(chosen.data),
    keys: (await all(everything.data)).map((row) => row.ListingKey),
    record: (await service.Property(listing).query()).data,
    media: Object.fromEntries(
      withMedia.data.value.map((row) => [row.ListingKey, row.Media?.map((media) => media.MediaKey)])
    ),
    count: chosen.data["@odata.count"],
    refused,
  };
}

main(...(process.argv.slice(2) as [string, string, string])).then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  }
);
