// A client generated with `v4BigNumberAsString`: what its types call a string is one. Arguments: service root, API key.
import { FetchClient } from "@odata2ts/http-client-fetch";
import { Property } from "./generated/SandboxModel";
import { SandboxService } from "./generated/SandboxService";

async function main(root: string, key: string): Promise<object> {
  const client = new FetchClient({ headers: { Authorization: `Bearer ${key}` } });
  const answer = await new SandboxService(client, root)
    .Property()
    .query<Pick<Property, "ListPrice" | "BedroomsTotal">>((builder, q) =>
      builder.select("ListPrice", "BedroomsTotal").filter(q.ListPrice.ne(null), q.BedroomsTotal.ne(null)).top(5)
    );
  const values: Array<string | null> = answer.data.value.flatMap((row) => [row.ListPrice, row.BedroomsTotal]);
  return { kinds: values.map((value) => typeof value) };
}

main(...(process.argv.slice(2) as [string, string])).then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  }
);
