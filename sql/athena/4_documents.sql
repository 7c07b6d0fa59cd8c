-- Documents out of a legacy database, an item in DynamoDB JSON a line: `data/` of one export, ours or DynamoDB's own.
-- Every value lies in its type (S, N, BOOL); what a column of the database could not hold so is a text in `_odd`. A long
-- text can be an object of its own, which the map in its place names. A document that is too long for one item has
-- further items with other parts than '-', which have some of its children.
CREATE EXTERNAL TABLE IF NOT EXISTS crime_landing.documents (
  `item` STRUCT<
    `id`: STRUCT<S: STRING>,
    `part`: STRUCT<S: STRING>,
    `kind`: STRUCT<S: STRING>,
    `crime_id`: STRUCT<N: STRING>,
    `case_number`: STRUCT<S: STRING>,
    `date`: STRUCT<S: STRING>,
    `block`: STRUCT<S: STRING>,
    `iucr`: STRUCT<S: STRING>,
    `primary_type`: STRUCT<S: STRING>,
    `description`: STRUCT<S: STRING>,
    `location_description`: STRUCT<S: STRING>,
    `arrest`: STRUCT<BOOL: BOOLEAN>,
    `domestic`: STRUCT<BOOL: BOOLEAN>,
    `beat`: STRUCT<S: STRING>,
    `district`: STRUCT<S: STRING>,
    `ward`: STRUCT<N: STRING>,
    `community_area`: STRUCT<N: STRING>,
    `fbi_code`: STRUCT<S: STRING>,
    `x_coordinate`: STRUCT<N: STRING>,
    `y_coordinate`: STRUCT<N: STRING>,
    `year`: STRUCT<N: STRING>,
    `updated_on`: STRUCT<S: STRING>,
    `latitude`: STRUCT<N: STRING>,
    `longitude`: STRUCT<N: STRING>,
    `location`: STRUCT<S: STRING>,
    `district_day`: STRUCT<S: STRING>,
    `occurred`: STRUCT<S: STRING>,
    `roles`: STRUCT<L: ARRAY<STRUCT<M: STRUCT<
      `role_no`: STRUCT<N: STRING>,
      `role`: STRUCT<S: STRING>,
      `sex`: STRUCT<S: STRING>,
      `age`: STRUCT<N: STRING>,
      `_odd`: STRUCT<M: MAP<STRING, STRUCT<S: STRING>>>
    >>>>,
    `notes`: STRUCT<L: ARRAY<STRUCT<M: STRUCT<
      `number`: STRUCT<N: STRING>,
      `written_at`: STRUCT<S: STRING>,
      `comment`: STRUCT<S: STRING, M: MAP<STRING, STRUCT<S: STRING, N: STRING>>>,
      `_odd`: STRUCT<M: MAP<STRING, STRUCT<S: STRING>>>
    >>>>,
    `code_set`: STRUCT<S: STRING>,
    `code`: STRUCT<S: STRING>,
    `title`: STRUCT<S: STRING>,
    `comment`: STRUCT<S: STRING>,
    `parts`: STRUCT<N: STRING>,
    `_odd`: STRUCT<M: MAP<STRING, STRUCT<S: STRING>>>
  >
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION :documents
