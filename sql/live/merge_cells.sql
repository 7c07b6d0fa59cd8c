-- In DuckDB's dialect: adds new_cells to cells.

MERGE INTO cells USING new_cells
    ON cells.head = new_cells.head
    AND cells.cell_lat = new_cells.cell_lat
    AND cells.cell_lon = new_cells.cell_lon
    AND cells.day_number = new_cells.day_number
WHEN MATCHED THEN UPDATE SET reports = cells.reports + new_cells.reports
WHEN NOT MATCHED THEN INSERT (head, cell_lat, cell_lon, block_lat, block_lon, day_number, reports)
    VALUES (head, cell_lat, cell_lon, block_lat, block_lon, day_number, reports)
