-- In DuckDB's dialect: adds new_blocks to blocks.

MERGE INTO blocks
USING new_blocks ON blocks.station = new_blocks.station AND blocks.block_number = new_blocks.block_number
WHEN MATCHED THEN UPDATE SET reports = blocks.reports + new_blocks.reports, in_time = blocks.in_time + new_blocks.in_time
WHEN NOT MATCHED THEN INSERT (station, block_number, reports, in_time)
    VALUES (station, block_number, reports, in_time)
